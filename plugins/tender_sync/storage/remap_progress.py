"""Rewrites stored contracts batch by batch, and keeps in `syncRemaps` up to which notice they are rewritten.

A batch is one transaction, which also moves the progress. So a run that ends, in order or not, has lost nothing: the
next run goes on after the last batch. Batches and the pages of running syncs wait for each other.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, TypeAlias

from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DocumentTooLarge, OperationFailure

from tender_sync.clock import Clock
from tender_sync.errors import RejectedRelease, SkipRun
from tender_sync.mapping.contract import MAPPER_VERSION, MappedContract
from tender_sync.sources.base import Source
from tender_sync.storage.contracts import Change, Contracts
from tender_sync.storage.page_commit import too_large

# Maps a stored contract again, from its `noticeId` and `rawData`.
Remapped: TypeAlias = Callable[[Mapping[str, Any]], MappedContract]


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
        if kept := self._remaps.find_one({"_id": self._source.name, **_unfinished()}):
            self._after = str(kept["after"])
        else:
            now = self._clock.now()
            begun = {**_unfinished(), "after": "", "startedAt": now, "updatedAt": now, **RemapBatch().counts}
            self._remaps.replace_one({"_id": self._source.name}, begun, upsert=True)
        return self._after

    def rewrite_batch(self, size: int, remapped: Remapped) -> RemapBatch:
        """Rewrite the next `size` contracts as `remapped` returns them, where they differ; return what was done.

        Where `remapped` raises RejectedRelease, the contract is left as it is. A batch too large for one transaction is
        halved; a single contract that is too large, with what others have added to it, is left as it is.

        :raises SkipRun: another run is at the same contracts
        """
        try:
            with self._client.start_session() as session:
                batch = session.with_transaction(partial(self._write, size, remapped))
        except (OperationFailure, DocumentTooLarge) as error:
            reason = too_large(error)
            if not reason:
                raise
            return self.rewrite_batch(max(size // 2, 1), remapped if size > 1 else partial(_reject, reason))
        self._after = batch.last or self._after
        return batch

    def _write(self, size: int, remapped: Remapped, session: ClientSession) -> RemapBatch:
        batch, contracts = RemapBatch(), []
        query = {"source": self._source.name, "noticeId": {"$gt": self._after}}
        found = self._contracts.find(query, ("noticeId", "rawData"), session=session)
        for document in found.sort("noticeId", 1).limit(size):
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


def _reject(reason: str, _document: Mapping[str, Any]) -> NoReturn:
    raise RejectedRelease(reason)


def _unfinished() -> dict[str, Any]:
    return {"completedAt": None, "mapperVersion": MAPPER_VERSION}
