"""Rewrites stored contracts batch by batch, and keeps in `syncRemaps` up to which notice they are rewritten.

A batch is one transaction, which also moves the progress. So a run that ends, in order or not, has lost nothing: the
next run goes on after the last batch. Batches and the pages of running syncs wait for each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DocumentTooLarge, OperationFailure

from tender_sync.clock import Clock
from tender_sync.errors import RejectedRelease, SkipRun, TenderSyncError
from tender_sync.mapping.contract import MAPPER_VERSION, MappedContract
from tender_sync.sources.base import Source
from tender_sync.storage.contracts import Change, Contracts
from tender_sync.storage.page_commit import too_large


class BatchTooLarge(TenderSyncError):
    """A batch is too large for a document or a transaction of MongoDB: nothing of it is written."""


@dataclass
class RemapBatch:
    """What one batch did.

    `last`: the notice id of its last contract; None if no contract was left. `unmappable`: why a contract stays as it
    is, by notice id. `changes`: the changed fields of each changed contract, by notice id.
    """

    last: str | None = None
    read: int = 0
    unmappable: dict[str, str] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, Change]] = field(default_factory=dict)

    @property
    def counts(self) -> Counter[str]:
        """The counts that `syncRemaps` sums up."""
        return Counter(read=self.read, changed=len(self.changes), unmappable=len(self.unmappable))


class RemapProgress:
    """The progress of one run over the contracts of `source`, in the order of notice ids.

    A dry run does the same, but writes nothing: it aborts the transaction of each batch.
    """

    def __init__(self, db: Database[dict[str, Any]], source: Source, clock: Clock, *, dry_run: bool) -> None:
        self._client = db.client
        self._contracts = db["contracts"]
        self._remaps = db["syncRemaps"]
        self._rewriter = Contracts(db, source, clock)
        self._source = source
        self._clock = clock
        self._dry_run = dry_run
        self._after = ""

    def begin(self) -> str:
        """Return the notice id after which this run goes on: the last one of an unfinished run with the same mapper.

        Without such a run it is empty, and the progress in `syncRemaps` begins again.
        """
        if self._dry_run:
            return ""
        kept = self._remaps.find_one({"_id": self._source.name, **_unfinished()})
        if kept:
            self._after = str(kept["after"])
            return self._after
        now = self._clock.now()
        begun = {"mapperVersion": MAPPER_VERSION, "after": "", "startedAt": now, "updatedAt": now, "completedAt": None}
        self._remaps.replace_one({"_id": self._source.name}, {**begun, **RemapBatch().counts}, upsert=True)
        return ""

    def rewrite_batch(self, size: int, remapped: Callable[[Mapping[str, Any]], MappedContract]) -> RemapBatch:
        """Rewrite the next `size` contracts as `remapped` returns them, where they differ; return what was done.

        `remapped` gets a document with `noticeId` and `rawData`. Where it raises RejectedRelease, the contract is left
        as it is.

        :raises BatchTooLarge: try again with a smaller `size`
        :raises SkipRun: another run is at the same contracts
        """
        try:
            with self._client.start_session() as session:
                batch = session.with_transaction(partial(self._write, size, remapped))
        except (OperationFailure, DocumentTooLarge) as error:
            if reason := too_large(error):
                raise BatchTooLarge(reason) from error
            raise
        self._after = batch.last or self._after
        return batch

    def _write(
        self, size: int, remapped: Callable[[Mapping[str, Any]], MappedContract], session: ClientSession
    ) -> RemapBatch:
        batch, contracts = RemapBatch(), []
        for document in self._next_contracts(size, session):
            batch.last, batch.read = document["noticeId"], batch.read + 1
            try:
                contracts.append(remapped(document))
            except RejectedRelease as rejected:
                batch.unmappable[document["noticeId"]] = str(rejected)
        if contracts:
            batch.changes = self._rewriter.rewrite(contracts, session)
        if self._dry_run:
            session.abort_transaction()
        else:
            self._advance(batch, session)
        return batch

    def _next_contracts(self, size: int, session: ClientSession) -> Iterable[dict[str, Any]]:
        query = {"source": self._source.name, "noticeId": {"$gt": self._after}}
        return self._contracts.find(query, ("noticeId", "rawData"), session=session).sort("noticeId", 1).limit(size)

    def _advance(self, batch: RemapBatch, session: ClientSession) -> None:
        """Move the progress to the end of `batch`.

        :raises SkipRun: the progress is not where this run left it, because another run has moved it
        """
        now = self._clock.now()
        progress = {"completedAt": now} if batch.last is None else {"after": batch.last}
        moved = self._remaps.update_one(
            {"_id": self._source.name, "after": self._after, "completedAt": None},
            {"$set": {**progress, "updatedAt": now}, "$inc": batch.counts},
            session=session,
        )
        if not moved.matched_count:
            raise SkipRun(
                f"another run is remapping the contracts of {self._source.title}: syncRemaps should be at notice "
                f"{self._after!r} but has moved on; this run ends here, and the other one goes on"
            )


def unfinished_remaps(db: Database[dict[str, Any]]) -> set[str]:
    """Return the names of the sources whose last remap has not finished, and was with the same mapper."""
    return set(db["syncRemaps"].distinct("_id", _unfinished()))


def _unfinished() -> dict[str, Any]:
    return {"completedAt": None, "mapperVersion": MAPPER_VERSION}
