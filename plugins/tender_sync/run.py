"""What one run of one source works with, whatever it is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from pymongo.database import Database

    from tender_sync.clock import Clock
    from tender_sync.engine import FetchPage
    from tender_sync.jobs import SyncJobs
    from tender_sync.patience import Patience
    from tender_sync.sources import Source
    from tender_sync.store import Store


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of `source`, as `sync` assembles it. `backfill_start`: where the history begins if it is now begun."""

    source: Source
    db: Database[dict[str, Any]]
    jobs: SyncJobs
    store: Store
    fetch_page: FetchPage
    patience: Patience
    clock: Clock
    backfill_start: datetime
