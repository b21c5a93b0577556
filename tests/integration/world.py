"""One source's small world: notices on a local server, a database, and one clock that only tests move."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.http.hooks.http import HttpHook

from tender_sync.errors import FailRun
from tender_sync.pipeline.dry_run import dry_run
from tender_sync.pipeline.engine import SyncResult, process_sync_job
from tender_sync.pipeline.replay import replay
from tender_sync.pipeline.run import Run, RunOptions, assemble_run
from tender_sync.pipeline.run_request import Mode, RunRequest
from tender_sync.pipeline.settings import Settings
from tender_sync.storage.buyers import Buyers
from tender_sync.storage.contract_counts import ContractCounts
from tender_sync.windows import TimeRange
from tools.ocds_server import Catalogue, OcdsServer, Publication, ServerClock, generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pymongo.database import Database

    from tender_sync.api.client import FetchPageResult
    from tender_sync.clock import Clock
    from tender_sync.sources.base import Source
    from tender_sync.storage.page_commit import Store
    from tender_sync.storage.sync_jobs import SyncJobs

# Two working days and a half, in summer time: London is an hour from UTC.
START = datetime(2026, 6, 3, tzinfo=UTC)
NOW = datetime(2026, 6, 5, 15, tzinfo=UTC)
DAY = TimeRange(START + timedelta(days=1), START + timedelta(days=2))
# The same in winter, when London's time is UTC.
WINTER = datetime(2026, 1, 9, 15, tzinfo=UTC)
# So many notices a day, on average, that windows hold several pages, and so few that all tests read them in no time.
PAGE_SIZE = {"FIND_A_TENDER": 6, "CONTRACTS_FINDER": 10}
PER_DAY = {"FIND_A_TENDER": 22.0, "CONTRACTS_FINDER": 14.0}
LEEDS = ("GB-PPON-1111", "Leeds City Council")
DURHAM = ("GB-PPON-2222", "Durham County Council")


@dataclass
class World:
    """A source with small pages, its server and database, and runs of the engine over them."""

    source: Source
    server: OcdsServer
    db: Database[dict[str, Any]]
    start: datetime = START
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.clock: Clock = self.server.clock

    @property
    def catalogue(self) -> Catalogue:
        return self.server.catalogue

    @property
    def job(self) -> dict[str, Any]:
        return self.db.syncJobs.find_one({"source": self.source.name}) or {}

    @property
    def place(self) -> dict[str, Any]:
        return {name: self.job.get(name) for name in ("cursor", "window", "lastSyncedDate", "windowSpanSeconds")}

    def new_run(
        self,
        owner: str = "dag/run/sync",
        run_id: str = "",
        *,
        mode: str | None = None,
        on_fetch: Callable[[], None] | None = None,
        time_budget: timedelta = timedelta(days=300),
        stop_requested: Callable[[], bool] = lambda: False,
        writes: bool = True,
    ) -> Run:
        """Put a run of this world's source together; `on_fetch` is called before each page is fetched."""
        hook = HttpHook(method="GET", http_conn_id=self.source.http_conn_id)
        hook.get_conn()
        options = RunOptions(
            owner=owner,
            run_id=run_id or f"run-{next(self._numbers)}",
            mode=mode,
            time_budget=time_budget,
            stop_requested=stop_requested,
            writes=writes,
        )
        run = assemble_run(self.source, self.db, hook, Settings(self.start, pace=0.0, burst=1), self.clock, options)

        def fetch_page(cursor: str | None, window: TimeRange) -> FetchPageResult:
            if on_fetch:
                on_fetch()
            return run.fetch_page(cursor, window)

        return replace(run, fetch_page=fetch_page)

    def holder(
        self, owner: str = "dag/run/sync", run_id: str = "run", mode: str | None = None
    ) -> tuple[SyncJobs, Store]:
        run = self.new_run(owner, run_id, mode=mode)
        return run.jobs, run.store

    def run(self, *, max_items: int | None = None, **options: Any) -> SyncResult:
        """Do one run; `options` are those of `new_run`."""
        return process_sync_job(self.new_run(**options), max_items)

    def replay(self, window: TimeRange, *, max_items: int | None = None, **options: Any) -> dict[str, Any]:
        """Read a window again, out of turn."""
        run = self.new_run("dag/replay/sync", mode="replay", **options)
        return replay(run, RunRequest(Mode.REPLAY, timedelta(days=300), max_items=max_items, window=window))

    def dry_run(self, window: TimeRange) -> dict[str, Any]:
        """Read a window and only report what it would change."""
        return dry_run(self.new_run(writes=False), RunRequest(Mode.DRY_RUN, timedelta.max, window=window))

    def run_until_done(self, *, most: int = 300, **options: Any) -> list[SyncResult]:
        """Run again and again until a run reaches its ceiling."""
        results = []
        for _ in range(most):
            results.append(self.run(**options))
            if results[-1].done:
                return results
        raise AssertionError(f"not done after {most} runs; the job is at {self.job}")

    def run_into_a_window(self) -> dict[str, Any]:
        """Run, page by page, until a run ends between two pages of a window; return that place."""
        while not self.run(max_items=1).done:
            if self.place["cursor"]:
                return self.place
        raise AssertionError("no window of this world has two pages")

    def run_until_failures_end(self, *, most: int = 10) -> SyncResult:
        """Run again and again, failing or not, until a run reaches its ceiling."""
        for _ in range(most):
            try:
                return self.run_until_done(most=1)[0]
            except FailRun as failure:
                failed = failure
        raise AssertionError(f"still failing after {most} runs: {failed}")

    def pass_time(self, **duration: float) -> None:
        self.clock.sleep(timedelta(**duration).total_seconds())

    def publish(self, notice_id: str, **fields: Any) -> dict[str, Any]:
        """Publish a notice made by hand, dated now."""
        made: dict[str, Any] = self.catalogue.publish(
            self.source.name, release(notice_id, date=self.clock.now(), **fields)
        )
        return made

    def contract(self, notice_id: str) -> dict[str, Any]:
        return self.db.contracts.find_one({"source": self.source.name, "noticeId": notice_id}) or {}

    def lose(self, window: TimeRange) -> list[str]:
        """Take out every contract published in `window`, as if it had never come; return the notice ids."""
        dated = {"source": self.source.name, "publishedDate": {"$gte": window.start, "$lt": window.end}}
        lost = [contract["noticeId"] for contract in self.db.contracts.find(dated)]
        assert lost, "nothing was published then"
        self.db.contracts.delete_many(dated)
        Buyers(self.db, self.clock).recount_buyers()
        ContractCounts(self.db, self.source).recount()
        return lost

    def count_of(self, buyer: tuple[str, str]) -> int | None:
        found = self.db.buyers.find_one({"orgId": buyer[0]})
        return found and found["contractCount"]


def release(
    notice_id: str, *, date: datetime, buyer: tuple[str, str] = LEEDS, title: str = "Road salt", **more: Any
) -> dict[str, Any]:
    """Make a small release by hand."""
    key, name = buyer
    return {
        "ocid": f"ocds-h6vhtk-{notice_id}",
        "id": notice_id,
        "date": f"{date:%Y-%m-%dT%H:%M:%SZ}",
        "tag": ["tender"],
        "tender": {"id": "1", "title": title, "status": "active"},
        "parties": [{"id": key, "name": name, "roles": ["buyer"]}],
        "buyer": {"id": key, "name": name},
        **more,
    }


def small(source: Source, **changes: Any) -> Source:
    """Give a source pages so small that a few notices make a walk."""
    return replace(source, windows=replace(source.windows, page_size=PAGE_SIZE[source.name], **changes))


def notices(source: Source, *, dirty: float = 0.0, times: float = 1.0, now: datetime = NOW) -> list[Publication]:
    """Generate a source's notices; `times` as many as usual, of which the share `dirty` has something odd."""
    per_day = PER_DAY[source.name] * times
    return list(generate(7, now - (NOW - START), now, per_day, dirty=dirty, sources=[source.name]))


def serve(publications: Iterable[Publication], now: datetime = NOW) -> OcdsServer:
    """Make a server whose clock stands still at `now`."""
    return OcdsServer(Catalogue(publications, clock=ServerClock(frozen_at=now)))


def forget(db: Database[dict[str, Any]], *collections: str) -> None:
    """Empty these collections, or all of them, and keep their indexes."""
    for name in collections or db.list_collection_names():
        db[name].delete_many({})


def dump(db: Database[dict[str, Any]], *, leave_out: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Copy every document of every collection, but for those of `leave_out` and the pace of requests."""
    names = set(db.list_collection_names()) - {"syncPace", *leave_out}
    return {name: list(db[name].find().sort("_id", 1)) for name in sorted(names)}


def restore(db: Database[dict[str, Any]], documents: Mapping[str, list[dict[str, Any]]]) -> None:
    """Put copied documents (see `dump`) into empty collections."""
    for name, copied in documents.items():
        if copied:
            db[name].insert_many(copied)
