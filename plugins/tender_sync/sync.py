"""One run of one source, assembled: connections, settings, pace, feed, store and engine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.exceptions import AirflowException

from tender_sync.clock import SystemClock
from tender_sync.engine import process_sync_job
from tender_sync.errors import FixSetup
from tender_sync.feed import Feed
from tender_sync.jobs import SyncJobs, parse_moment, read_job
from tender_sync.mongo import database
from tender_sync.orders import Mode, read_order
from tender_sync.pace import Pace
from tender_sync.patience import Patience
from tender_sync.reread import dry_run, replay
from tender_sync.schema import ensure_schema
from tender_sync.sources import MONGO_CONN_ID
from tender_sync.stats import Stats
from tender_sync.store import Store
from tender_sync.windows import Window, whole_second

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pymongo.database import Database

    from tender_sync.clock import Clock
    from tender_sync.jobs import SyncJob
    from tender_sync.orders import Order
    from tender_sync.sources import Source


@dataclass(frozen=True)
class Settings:
    """What the environment may override: where a history begins, and the pace in seconds between requests.

    `burst` requests may follow one another at once (`pace.Pace`); an overridden pace is kept between any two.
    """

    backfill_start: datetime
    pace: float
    burst: int


def read_settings(source: Source, clock: Clock) -> Settings:
    """Read BACKFILL_START_DATE and SYNC_PACE_SECONDS from the environment; the source's own values without them.

    :raises FixSetup: one of them cannot be used
    """
    start, pace, burst = source.history_start, source.pace, source.burst
    if text := os.environ.get("BACKFILL_START_DATE"):
        start = parse_moment(text, "BACKFILL_START_DATE")
        if start > clock.now():
            raise FixSetup(f"BACKFILL_START_DATE is {text!r}, which lies in the future; expected a past date")
    if text := os.environ.get("SYNC_PACE_SECONDS"):
        burst = 1
        try:
            pace = float(text)
        except ValueError:
            pace = -1.0
        if not 0 <= pace <= 3600:  # noqa: PLR2004 - an hour: one request a run
            raise FixSetup(f"SYNC_PACE_SECONDS is {text!r}; expected seconds between requests, from 0 to 3600")
    return Settings(start, pace, burst)


def run_source(
    source: Source,
    params: Mapping[str, Any],
    *,
    owner: str,
    run_id: str,
    stopping: Callable[[], bool],
    backfill_of: datetime | None = None,
    mongo_conn_id: str = MONGO_CONN_ID,
) -> dict[str, Any]:
    """Do one run of `source` as the trigger form's `params` ask, and return its record (see `orders.read_order`).

    The connections used are `source.http_conn_id` and `mongo_conn_id`.

    :raises SkipRun: another run is at work on this source
    :raises FixSetup: a connection, a setting or the form is wrong
    :raises StopRun: the API or MongoDB failed; a later run goes on from the same place
    """
    clock = SystemClock()
    settings = read_settings(source, clock)
    order = read_order(params, clock.now(), backfill_of=backfill_of)
    hook = _http_hook(source)
    with database(mongo_conn_id) as db:
        ensure_schema(db)
        mode = None if order.mode is Mode.NORMAL else order.mode
        jobs = SyncJobs(db, source, clock, owner=owner, run_id=run_id, mode=mode)
        renew: Callable[[], None] = jobs.renew
        if order.mode is Mode.DRY_RUN:
            renew = _nothing_to_renew
        else:
            Stats(db, source).ensure_counted(clock)
        patience = Patience(clock, clock.now() + order.time_budget, renew=renew, stopping=stopping)
        pace = Pace(db, source.name, settings.pace, patience, burst=settings.burst)
        return _Run(
            source=source,
            order=order,
            settings=settings,
            clock=clock,
            db=db,
            jobs=jobs,
            patience=patience,
            feed=Feed(source, hook, pace, clock),
            store=Store(db, source, jobs, clock),
        ).do()


@dataclass(frozen=True, kw_only=True)
class _Run:
    """All that a run is made of, and what each mode does with it."""

    source: Source
    order: Order
    settings: Settings
    clock: Clock
    db: Database[dict[str, Any]]
    jobs: SyncJobs
    patience: Patience
    feed: Feed
    store: Store

    def do(self) -> dict[str, Any]:
        if self.order.mode is Mode.NORMAL:
            return self._bring_forward()
        return self._replay() if self.order.mode is Mode.REPLAY else self._dry_run()

    def _bring_forward(self) -> dict[str, Any]:
        start = self.order.backfill_start
        job = self._job()
        if start and job and job.backfill_start != start:
            raise FixSetup(
                f"nothing was done: the backfill of {self.source.title} began at {job.backfill_start:%Y-%m-%d %H:%M} "
                f"UTC, not at {start:%Y-%m-%d %H:%M}. To read the history from there, choose mode reset; to read a "
                "part of it, mode replay"
            )
        return process_sync_job(
            self.source,
            fetch_page=self.feed.fetch_page,
            jobs=self.jobs,
            store=self.store,
            patience=self.patience,
            clock=self.clock,
            backfill_start=start or self.settings.backfill_start,
            max_items_per_run=self.order.max_items,
        ).record

    def _replay(self) -> dict[str, Any]:
        return replay(
            self.source,
            self._window(),
            fetch_page=self.feed.fetch_page,
            jobs=self.jobs,
            store=self.store,
            patience=self.patience,
            clock=self.clock,
            backfill_start=self.settings.backfill_start,
            max_items_per_run=self.order.max_items,
        )

    def _dry_run(self) -> dict[str, Any]:
        return dry_run(
            self.source,
            self._window(),
            fetch_page=self.feed.fetch_page,
            store=self.store,
            patience=self.patience,
            clock=self.clock,
            max_items_per_run=self.order.max_items,
        )

    def _window(self) -> Window:
        """Return the range asked for, or the one that a normal run would read now."""
        if self.order.window:
            return self.order.window
        job = self._job()
        start = self.settings.backfill_start
        if job:
            start = job.place.watermark - (timedelta() if job.backfilling else self.source.look_back)
        return Window(start, whole_second(self.clock.now()))

    def _job(self) -> SyncJob | None:
        return read_job(self.db, self.source)


def _nothing_to_renew() -> None:
    """Stand in for the renewal of a lease that a dry run does not hold."""


def _http_hook(source: Source) -> HttpHook:
    hook = HttpHook(method="GET", http_conn_id=source.http_conn_id)
    try:
        hook.get_conn()
    except (AirflowException, ValueError) as error:
        raise FixSetup(
            f"the Airflow connection {source.http_conn_id!r} cannot be used: {error}. Expected one of type http, such "
            f'as AIRFLOW_CONN_{source.http_conn_id.upper()}=\'{{"conn_type": "http", "host": "{source.base_url}"}}\''
        ) from None
    return hook
