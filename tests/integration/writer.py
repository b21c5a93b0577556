"""Commits pages of releases as a run does, without a server."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pymongo.collection import Collection

from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.storage.page_commit import MappedPage, Store
from tender_sync.storage.sync_jobs import SyncJobs
from tender_sync.windows import OpenWindow
from tests.support.clocks import SimulatedClock

if TYPE_CHECKING:
    import pytest

    from tender_sync.sources.base import Source

PUBLISHED = datetime(2026, 6, 5, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Writer:
    """Holds a source's lease and commits pages of releases."""

    def __init__(self, db: Any, source: Source) -> None:
        self.clock = SimulatedClock(PUBLISHED + 24 * HOUR)
        self.source = source
        self.jobs = SyncJobs(db, source, self.clock, owner="dag/run/sync", run_id="run")
        self.store = Store(db, source, self.jobs, self.clock)
        self.position = self.jobs.get_or_create_sync_job(PUBLISHED).position

    def commit(self, *releases: dict[str, Any], rejections: Any = (), suspect: str = "") -> Counter[str]:
        contracts = [map_ocds_to_contract(each, self.source.name) for each in releases]
        return self.commit_contracts(contracts, rejections=rejections, suspect=suspect)

    def commit_contracts(self, contracts: list[Any], *, rejections: Any = (), suspect: str = "") -> Counter[str]:
        window = OpenWindow(PUBLISHED, PUBLISHED + HOUR)
        position = replace(self.position, open_window=window, cursor="next")
        page = MappedPage(
            window=window,
            contracts=contracts,
            rejections=list(rejections),
            position=position,
            counts=Counter(pages=1),
            suspect=suspect,
        )
        return self.store.commit_page(page)


def aggregations(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the aggregations asked for from now on, as commands that MongoDB can explain."""
    asked: list[dict[str, Any]] = []
    aggregate = Collection.aggregate

    def remembered(self: Any, pipeline: Any, **options: Any) -> Any:
        asked.append({"aggregate": self.name, "pipeline": pipeline, "cursor": {}, **options})
        return aggregate(self, pipeline, **options)

    monkeypatch.setattr(Collection, "aggregate", remembered)
    return asked
