"""Maps stored releases again, with the mapper and the rules of buyers and lineage as they are now.

No request is made. The contracts of a source are rewritten in small batches, where they differ. A run that ends early
is continued by the next one, and syncs may run meanwhile (`storage.remap_progress`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from tender_sync.clock import Clock
from tender_sync.connections import MongoDatabase
from tender_sync.errors import FinishEarly, RejectedRelease
from tender_sync.identity.shared_notice_ids import sibling_id
from tender_sync.mapping.contract import MappedContract, map_ocds_to_contract
from tender_sync.run_budget import RunBudget
from tender_sync.run_outcome import Outcome
from tender_sync.sources.base import Source
from tender_sync.storage.buyers import Buyers
from tender_sync.storage.remap_progress import RemapBatch, RemapProgress, unfinished_remaps

log = logging.getLogger(__name__)

BATCH = 100
SAMPLES = 20
_LOG_EVERY = 5_000
_LONGEST_VALUE = 60


class Remap:
    """One run over the contracts of `source`."""

    def __init__(self, db: MongoDatabase, source: Source, clock: Clock, *, dry_run: bool) -> None:
        self._progress = RemapProgress(db, source, clock, dry_run=dry_run)
        self._buyers = Buyers(db, clock)
        self._source = source
        self._dry_run = dry_run
        self._changed = "would change" if dry_run else "changed"
        self._counts: Counter[str] = Counter()
        self._fields: Counter[str] = Counter()
        self._samples = 0

    def begin(self) -> None:
        """Take up an unfinished run with the same mapper, or begin with the first contract."""
        if after := self._progress.begin():
            log.info("%s: going on after notice %s", self._source.title, after)

    def run(self, budget: RunBudget) -> dict[str, Any]:
        """Remap until no contract is left or `budget` ends; return what was done."""
        outcome, batch = Outcome.DONE, None
        try:
            while batch is None or batch.last is not None:
                budget.check()
                batch = self.remap_batch()
                self._log_batch(batch)
        except FinishEarly as end:
            outcome = end.outcome
        if outcome is Outcome.DONE and not self._dry_run:
            self._buyers.recount_buyers()
        counts = {name: self._counts[name] for name in ("read", "changed", "unmappable")}
        log.info(
            "%s, %s (%s): %d contracts read, %d %s: %s; %d cannot be mapped any more",
            self._source.title,
            "dry run of a remap" if self._dry_run else "remap",
            outcome,
            counts["read"],
            counts["changed"],
            self._changed,
            ", ".join(f"{name} of {count}" for name, count in self._fields.most_common()) or "no field",
            counts["unmappable"],
        )
        return {"outcome": str(outcome), "dryRun": self._dry_run, **counts, "fields": dict(self._fields)}

    def remap_batch(self) -> RemapBatch:
        """Remap the next contracts; see `RemapProgress.rewrite_batch`."""
        return self._progress.rewrite_batch(BATCH, self._remapped)

    def _remapped(self, document: Mapping[str, Any]) -> MappedContract:
        """Map a stored release again; raise RejectedRelease if it is no contract now, or one with another notice id."""
        contract = map_ocds_to_contract(document.get("rawData"), self._source.name)
        if sibling_id(contract) == document["noticeId"]:
            contract["noticeId"] = document["noticeId"]
        if contract["noticeId"] != document["noticeId"]:
            raise RejectedRelease(f"its notice id is {contract['noticeId']!r} now, so it would be another contract")
        return contract

    def _log_batch(self, batch: RemapBatch) -> None:
        before = self._counts["read"] // _LOG_EVERY
        self._counts += batch.counts
        for notice_id, changes in batch.changes.items():
            self._fields.update(changes.keys())
            if self._samples < SAMPLES:
                self._samples += 1
                described = (f"{name} {_short(was)} → {_short(now)}" for name, (was, now) in sorted(changes.items()))
                log.info("%s %s: %s", self._changed, notice_id, "; ".join(described))
        for notice_id, reason in batch.unmappable.items():
            log.warning("%s is left as it is: %s", notice_id, reason)
        read, changed = self._counts["read"], self._counts["changed"]
        if read // _LOG_EVERY > before:
            log.info(
                "%s: %d contracts read, %d changed, up to notice %s", self._source.title, read, changed, batch.last
            )


def remap_contracts(
    db: MongoDatabase,
    sources: Iterable[Source],
    clock: Clock,
    *,
    dry_run: bool,
    time_budget: timedelta,
    stop_requested: Callable[[], bool],
) -> dict[str, dict[str, Any]]:
    """Remap the contracts of `sources`, one source after the other, within one time budget; return what was done.

    After a run that ended early, only the sources that it left unfinished are remapped. Otherwise each run would begin
    again with the first source, and never reach the other one where the first takes the whole budget.

    :raises SkipRun: another run is at the same contracts
    """
    budget = RunBudget(clock, clock.now() + time_budget, renew=lambda: None, stop_requested=stop_requested)
    chosen = list(sources)
    if not dry_run:
        unfinished = unfinished_remaps(db)
        chosen = [source for source in chosen if source.name in unfinished] or chosen
    remaps = {source.name: Remap(db, source, clock, dry_run=dry_run) for source in chosen}
    for remap in remaps.values():
        remap.begin()
    return {name: remap.run(budget) for name, remap in remaps.items()}


def _short(value: object) -> str:
    written = repr(value)
    return written if len(written) <= _LONGEST_VALUE else f"{written[: _LONGEST_VALUE - 1]}…"
