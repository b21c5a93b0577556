"""One run of one source: what it works with, how it is put together, and how its failure is recorded."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from tender_sync.api.client import FetchPageResult, Hook, PageClient
from tender_sync.clock import Clock
from tender_sync.connections import MongoDatabase, database, describe_connection, http_hook, translate_mongo_errors
from tender_sync.errors import FailRun, FinishEarly, RetrySmallerWindow, SkipRun
from tender_sync.pipeline.settings import Settings, read_settings
from tender_sync.run_budget import RunBudget
from tender_sync.run_meter import RunMeter
from tender_sync.run_outcome import Outcome
from tender_sync.sources.base import Source
from tender_sync.storage.page_commit import MappedPage, Store
from tender_sync.storage.request_slots import RequestSlots
from tender_sync.storage.schema import ensure_schema
from tender_sync.storage.sync_jobs import SyncJobs
from tender_sync.windows import ReadPosition, TimeRange

log = logging.getLogger(__name__)

# Shorter than the time after which a wait renews the lease, which a run that waits for the lease does not have.
_ASK_FOR_LEASE_EVERY = 25.0
# Fetches the page of a window at a cursor, or its first page: `PageClient.fetch_page`.
FetchPage: TypeAlias = Callable[[str | None, TimeRange], FetchPageResult]
# Stores what a page became, and returns how many releases were new, changed …: `Store.commit_page`.
CommitPage: TypeAlias = Callable[[MappedPage], Counter[str]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of `source` works with, whatever it is asked to do.

    `backfill_start`: where the history begins, if this run is the first. `mongo_at` names the server in messages.
    """

    source: Source
    db: MongoDatabase
    jobs: SyncJobs
    store: Store
    fetch_page: FetchPage
    budget: RunBudget
    clock: Clock
    backfill_start: datetime
    meter: RunMeter = field(default_factory=RunMeter)
    mongo_at: str = "MongoDB"

    @contextmanager
    def recording_failure(
        self, what: str, position: Callable[[], ReadPosition | None] = lambda: None
    ) -> Iterator[None]:
        """Note in the job and in the run's record when the block fails, at which `position`, and raise it again.

        A failure of MongoDB is noted as soon as MongoDB answers again, or it stands in the task's log alone.

        :raises FailRun: the block failed
        :raises SkipRun: the lease has been taken over
        """
        try:
            with translate_mongo_errors(self.mongo_at):
                yield
        except FailRun as failure:
            error, at = str(failure), position()
            log.error("%s %s failed: %s", self.source.title, what, error)  # noqa: TRY400 - the sentence says it all
            try:
                with translate_mongo_errors(self.mongo_at):
                    self.jobs.mark_sync_error(error, position=at, stuck=isinstance(failure, RetrySmallerWindow))
                    self.jobs.end_run(Outcome.FAILED, position=at, counts=self.meter.uncommitted(), error=error)
            except FailRun as unrecorded:
                log.error("this failure could not be noted in syncJobs: %s", unrecorded)  # noqa: TRY400 - the same
            raise

    @contextmanager
    def holding_lease(self, mode: str) -> Iterator[None]:
        """Hold the source's lease for the block, waiting for whoever has it: no later run would do this one's work.

        The block ends the run. Its failure is recorded.

        :raises FailRun: the lease was not to be had within the time budget
        """
        while True:
            try:
                self.jobs.get_or_create_sync_job(self.backfill_start)
                break
            except SkipRun as held:
                try:
                    self.budget.wait(_ASK_FOR_LEASE_EVERY, f"the lease ({held})")
                except FinishEarly as end:
                    raise FailRun(f"{self.source.title}: the {mode} could not begin, nothing was done: {end}") from None
        with self.recording_failure(mode):
            yield


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Who does a run, as what, and for how long.

    `owner`, `run_id` and `announces` are those of `SyncJobs`, and so is `mode`: None for bringing the source forward.
    `writes`: the run holds the lease, and its waits renew it. `on_commit` is told the counts of every page once it is
    committed.
    """

    owner: str
    run_id: str
    stop_requested: Callable[[], bool] = lambda: False
    on_commit: Callable[[Counter[str]], None] = lambda _: None
    time_budget: timedelta = timedelta(hours=1)
    mode: str | None = None
    writes: bool = True
    announces: bool = True


def assemble_run(
    source: Source, db: MongoDatabase, hook: Hook, settings: Settings, clock: Clock, options: RunOptions
) -> Run:
    """Put a run together from what is open already."""
    who, run_id = options.owner, options.run_id
    jobs = SyncJobs(db, source, clock, owner=who, run_id=run_id, mode=options.mode, announces=options.announces)
    meter = RunMeter()
    renew = jobs.renew if options.writes else lambda: None
    deadline = clock.now() + options.time_budget
    budget = RunBudget(clock, deadline, renew=renew, stop_requested=options.stop_requested, meter=meter)
    slots = RequestSlots(db, source.name, settings.pace, budget, burst=settings.burst)
    return Run(
        source=source,
        db=db,
        jobs=jobs,
        store=Store(db, source, jobs, clock, on_commit=options.on_commit),
        fetch_page=PageClient(source, hook, slots, clock, meter).fetch_page,
        budget=budget,
        clock=clock,
        backfill_start=settings.backfill_start,
        meter=meter,
    )


@contextmanager
def open_run(
    source: Source, clock: Clock, options: RunOptions, *, mongo_conn_id: str, backfill_start: datetime | None = None
) -> Iterator[Run]:
    """Open a run from Airflow's connections (`source.http_conn_id`, `mongo_conn_id`) and the environment.

    `backfill_start` goes before the environment's.

    :raises FixSetup: a connection or a setting cannot be used
    :raises FailRun: MongoDB cannot be reached
    """
    settings = read_settings(source, clock)
    if backfill_start:
        settings = replace(settings, backfill_start=backfill_start)
    hook = http_hook(source.http_conn_id, source.base_url)
    with database(mongo_conn_id) as db:
        ensure_schema(db)
        run = assemble_run(source, db, hook, settings, clock, options)
        yield replace(run, mongo_at=describe_connection(mongo_conn_id))
