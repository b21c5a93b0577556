"""What one run of one source works with, whatever it is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from pymongo.database import Database

    from tender_sync.clock import Clock
    from tender_sync.pipeline.engine import FetchPage
    from tender_sync.run_budget import RunBudget
    from tender_sync.sources.base import Source
    from tender_sync.storage.page_commit import Store
    from tender_sync.storage.sync_jobs import SyncJobs


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of `source`, as `sync` assembles it. `backfill_start`: where the history begins if it is now begun."""

    source: Source
    db: Database[dict[str, Any]]
    jobs: SyncJobs
    store: Store
    fetch_page: FetchPage
    budget: RunBudget
    clock: Clock
    backfill_start: datetime
