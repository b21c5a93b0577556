"""Commits one page in one transaction: contracts, buyers, counts, rejected releases and, last, the sync job."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DocumentTooLarge, OperationFailure

from tender_sync.clock import Clock
from tender_sync.mapping.contract import MappedContract
from tender_sync.sources.base import Source
from tender_sync.storage.contracts import Contracts
from tender_sync.storage.rejected import RejectedReleases, Rejection
from tender_sync.storage.sync_jobs import SyncJobs
from tender_sync.windows import ReadPosition, TimeRange

log = logging.getLogger(__name__)

# Codes for documents (BSONObjectTooLarge, two of an update's result), and TransactionTooLargeForCache.
_TOO_LARGE = frozenset({10334, 17419, 17420, 388})


@dataclass(frozen=True, kw_only=True)
class MappedPage:
    """A page of `window`, ready to be written.

    `position`: where reading stands after it; None leaves the job where it is. `counts`: what the caller counted of it
    (pages, requests, bytes …). `suspect`: why its window is closed without a believable end, if it is. `settled`: the
    `_id`s of rejected releases to be removed, because they are among the contracts now.
    """

    window: TimeRange
    contracts: list[MappedContract]
    rejections: list[Rejection] = field(default_factory=list)
    position: ReadPosition | None = None
    counts: Counter[str] = field(default_factory=Counter)
    suspect: str = ""
    settled: Sequence[Any] = ()


@dataclass(eq=False)
class Store:
    """Commits the pages of one `source` for the holder of `jobs`' lease.

    `on_commit` is called with the counts of every page after its commit.
    """

    db: Database[dict[str, Any]]
    source: Source
    jobs: SyncJobs
    clock: Clock
    _: KW_ONLY
    on_commit: Callable[[Counter[str]], None] = lambda _: None

    def __post_init__(self) -> None:
        self.contracts = Contracts(self.db, self.source, self.clock)
        self._rejected = RejectedReleases(self.db, self.source, self.clock)

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Write a page and move the job to its position, in one transaction; return the page's counts.

        A page too large for MongoDB is written in halves, and the job moves with the last of them. A single contract
        that is too large, with what others have added to it, becomes a rejected release. The result is `page.counts`
        plus fetched = created + updated + unchanged + rejected + doubled, and buyersCreated.

        :raises SkipRun: the lease was taken over; nothing of the page is written
        """
        try:
            return self._commit(page)
        except (OperationFailure, DocumentTooLarge) as error:
            reason = too_large(error)
            if not page.contracts or not reason:
                raise
            log.warning("a page of %d releases is halved: %s", len(page.contracts), reason)
        if len(page.contracts) == 1:
            rejections = [*page.rejections, Rejection(page.contracts[0]["rawData"], reason)]
            return self.commit_page(replace(page, contracts=[], rejections=rejections))
        half = len(page.contracts) // 2
        # Pages come newest first, and of two versions with the same date the one written last stays.
        later = MappedPage(window=page.window, contracts=page.contracts[half:])
        return self.commit_page(later) + self.commit_page(replace(page, contracts=page.contracts[:half]))

    def _commit(self, page: MappedPage) -> Counter[str]:
        def write(session: ClientSession) -> Counter[str]:
            changed = Counter(page.counts)
            changed["fetched"] = len(page.contracts) + len(page.rejections)
            changed += self.contracts.upsert_contracts(page.contracts, session)
            changed["rejected"] = len(page.rejections)
            self._rejected.remove(page.settled, session)
            self._rejected.keep(page.rejections, page.window, self.jobs.run_id, session)
            if page.suspect:
                self.jobs.note_suspect(page.window, page.suspect, session)
            # Last, so that the lease is checked as late as possible. The page of a zombie fails here.
            self.jobs.update_sync_progress(page.position, changed, session)
            return changed

        with self.db.client.start_session() as session:
            # The driver aborts and repeats it while another transaction writes contracts (`Contracts._lock_contracts`).
            committed = session.with_transaction(write)
        self.on_commit(committed)
        return committed


def too_large(error: OperationFailure | DocumentTooLarge) -> str:
    """Return why a write is too large for a document or a transaction; empty for any other failure."""
    if isinstance(error, OperationFailure):
        details = error.details or {}
        codes = {error.code, *(each.get("code") for each in details.get("writeErrors", ()))}
        if codes.isdisjoint(_TOO_LARGE):
            return ""
    return f"it is too large for MongoDB: {str(error)[:300]}"
