"""Contracts made anew from their stored releases, with the mapper and the rules of buyers and lineage as they are now.

No request is made. A source's contracts are gone through by notice id in small batches, each a transaction of its own
that also moves the place kept in `syncRemaps`: a run that ends, in order or not, is gone on with by the next. Batches
and the pages of running syncs take turns, so both may run at once. A dry run does the same and aborts each batch.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import DocumentTooLarge, OperationFailure

from tender_sync.errors import FinishEarly, RejectedRelease, SkipRun
from tender_sync.identity.shared_notice_ids import sibling_id
from tender_sync.mapping.contract import MAPPER_VERSION, map_ocds_to_contract
from tender_sync.run_budget import RunBudget
from tender_sync.storage.buyers import Buyers
from tender_sync.storage.page_commit import Store, too_large
from tender_sync.storage.sync_jobs import SyncJobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from tender_sync.clock import Clock
    from tender_sync.mapping.contract import MappedContract
    from tender_sync.sources.base import Source
    from tender_sync.storage.page_commit import Change

log = logging.getLogger(__name__)

BATCH = 100
SAMPLES = 20
_SAY_EVERY = 5_000
_SHOWN = 60


@dataclass
class _Batch:
    """What one batch did; `last` is the notice id it came to, None for an empty one."""

    last: str | None = None
    read: int = 0
    unmappable: dict[str, str] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Change]] = field(default_factory=dict)

    @property
    def counts(self) -> Counter[str]:
        return Counter(read=self.read, changed=len(self.changes), unmappable=len(self.unmappable))


class Remap:
    """One run over the contracts of `source`."""

    def __init__(self, db: Database[dict[str, Any]], source: Source, clock: Clock, *, dry_run: bool) -> None:
        self._db = db
        self._contracts = db["contracts"]
        self._remaps = db["syncRemaps"]
        self._source = source
        self._clock = clock
        self._dry_run = dry_run
        self._store = Store(db, source, SyncJobs(db, source, clock, owner="remap"), clock)
        self._counts: Counter[str] = Counter()
        self._fields: Counter[str] = Counter()
        self._shown = 0
        self._after = ""

    def begin(self) -> None:
        """Find the notice id to go on after: that of an unfinished run with the same mapper, or none."""
        if self._dry_run:
            return
        now = self._clock.now()
        kept = self._remaps.find_one({"_id": self._source.name})
        if kept and kept["completedAt"] is None and kept["mapperVersion"] == MAPPER_VERSION:
            self._after = str(kept["after"])
            log.info("%s: going on after notice %s", self._source.title, self._after or "none")
            return
        begun = {"mapperVersion": MAPPER_VERSION, "after": "", "startedAt": now, "updatedAt": now, "completedAt": None}
        counts = {"read": 0, "changed": 0, "unmappable": 0}
        self._remaps.replace_one({"_id": self._source.name}, begun | counts, upsert=True)

    def run(self, budget: RunBudget) -> dict[str, Any]:
        """Go on from where the last run stopped until all contracts are done or `budget` ends; return what was done.

        :raises SkipRun: another run is at the same contracts
        """
        after, outcome = self._after, "done"
        try:
            while True:
                budget.check()
                batch = self._batch(after)
                self._say(batch)
                if batch.last is None:
                    break
                after = batch.last
        except FinishEarly as end:
            outcome = str(end)
        else:
            if not self._dry_run:
                Buyers(self._db, self._clock).recount_buyers()
        return self._end(outcome)

    def _batch(self, after: str) -> _Batch:
        """Make the next contracts anew: half as many as long as they are too large for one transaction.

        A single one that is too large, with what others have added to it, is left as it is.
        """
        size, refused = BATCH, ""
        while True:
            try:
                return self._write(after, size, refused)
            except (OperationFailure, DocumentTooLarge) as error:
                reason = too_large(error)
                if refused or not reason:
                    raise
                size, refused = max(1, size // 2), reason if size == 1 else ""

    def _write(self, after: str, size: int, refused: str) -> _Batch:
        def write(session: ClientSession) -> _Batch:
            batch, contracts = _Batch(), []
            for document in self._next(after, size, session):
                batch.last, batch.read = document["noticeId"], batch.read + 1
                if refused:
                    batch.unmappable[document["noticeId"]] = refused
                    continue
                try:
                    contracts.append(self._mapped(document))
                except RejectedRelease as rejected:
                    batch.unmappable[document["noticeId"]] = str(rejected)
            if contracts:
                batch.changes = self._store.rewrite(contracts, session)
            if self._dry_run:
                session.abort_transaction()
            else:
                self._move_on(after, batch, session)
            return batch

        with self._db.client.start_session() as session:
            return session.with_transaction(write)

    def _next(self, after: str, size: int, session: ClientSession) -> Iterable[dict[str, Any]]:
        query = {"source": self._source.name, "noticeId": {"$gt": after}}
        return self._contracts.find(query, ("noticeId", "rawData"), session=session).sort("noticeId", 1).limit(size)

    def _mapped(self, document: Mapping[str, Any]) -> MappedContract:
        """Map a stored release.

        :raises RejectedRelease: it is a contract no more, or another one
        """
        contract = map_ocds_to_contract(document.get("rawData"), self._source.name)
        if sibling_id(contract) == document["noticeId"]:
            contract["noticeId"] = document["noticeId"]
        if contract["noticeId"] != document["noticeId"]:
            raise RejectedRelease(f"its notice id is {contract['noticeId']!r} now, so it would be another contract")
        return contract

    def _move_on(self, after: str, batch: _Batch, session: ClientSession) -> None:
        now = self._clock.now()
        place = {"completedAt": now} if batch.last is None else {"after": batch.last}
        moved = self._remaps.update_one(
            {"_id": self._source.name, "after": after, "completedAt": None},
            {"$set": {**place, "updatedAt": now}, "$inc": dict(batch.counts)},
            session=session,
        )
        if not moved.matched_count:
            raise SkipRun(
                f"another run is making the contracts of {self._source.title} anew (syncRemaps is past {after!r}); "
                "this one leaves them alone"
            )

    def _say(self, batch: _Batch) -> None:
        before = self._counts["read"] // _SAY_EVERY
        self._counts += batch.counts
        self._fields.update(name for changed in batch.changes.values() for name in changed)
        for notice_id, changed in batch.changes.items():
            if self._shown < SAMPLES:
                self._shown += 1
                said = "; ".join(f"{name} {_said(was)} → {_said(now)}" for name, (was, now) in sorted(changed.items()))
                log.info("%s %s: %s", "would change" if self._dry_run else "changed", notice_id, said)
        for notice_id, reason in batch.unmappable.items():
            log.warning("%s is left as it is: %s", notice_id, reason)
        if self._counts["read"] // _SAY_EVERY > before:
            log.info("%s: %d contracts read, %d changed, up to notice %s", *self._progress(), batch.last)

    def _progress(self) -> tuple[str, int, int]:
        return self._source.title, self._counts["read"], self._counts["changed"]

    def _end(self, outcome: str) -> dict[str, Any]:
        fields = ", ".join(f"{name} of {n}" for name, n in self._fields.most_common())
        log.info(
            "%s %s (%s): %d contracts read, %d %s: %s; %d cannot be mapped any more",
            self._source.title,
            "looked through" if self._dry_run else "made anew",
            outcome,
            self._counts["read"],
            self._counts["changed"],
            "would change" if self._dry_run else "changed",
            fields or "no field",
            self._counts["unmappable"],
        )
        counts = {name: self._counts[name] for name in ("read", "changed", "unmappable")}
        return {"outcome": outcome, "dryRun": self._dry_run, **counts, "fields": dict(self._fields)}


def remap_contracts(
    db: Database[dict[str, Any]],
    sources: Iterable[Source],
    clock: Clock,
    *,
    dry_run: bool,
    time_budget: timedelta,
    stop_requested: Callable[[], bool],
) -> dict[str, dict[str, Any]]:
    """Make the contracts of `sources` anew, one source after the other, within one time budget; return what was done.

    Where a run before ended early, only what it left is done: those of its sources that were complete are left alone,
    or a history that takes the whole budget would be begun again and again, and the other source never reached.

    :raises SkipRun: another run is at the same contracts
    """
    budget = RunBudget(clock, clock.now() + time_budget, renew=lambda: None, stop_requested=stop_requested)
    chosen = list(sources)
    if not dry_run:
        left = db["syncRemaps"].distinct("_id", {"completedAt": None, "mapperVersion": MAPPER_VERSION})
        chosen = [source for source in chosen if source.name in left] or chosen
    remaps = {source.name: Remap(db, source, clock, dry_run=dry_run) for source in chosen}
    for remap in remaps.values():
        remap.begin()
    return {name: remap.run(budget) for name, remap in remaps.items()}


def _said(value: object) -> str:
    said = repr(value)
    return said if len(said) <= _SHOWN else f"{said[: _SHOWN - 1]}…"
