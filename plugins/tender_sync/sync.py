"""One run of one source, assembled: connections, settings, pace, feed, store and engine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.exceptions import AirflowException

from tender_sync.clock import SystemClock
from tender_sync.engine import process_sync_job
from tender_sync.errors import FixSetup
from tender_sync.feed import Feed
from tender_sync.jobs import SyncJobs, parse_moment
from tender_sync.mongo import MONGO_CONN_ID, database
from tender_sync.pace import Pace
from tender_sync.patience import Patience
from tender_sync.schema import ensure_schema
from tender_sync.stats import Stats
from tender_sync.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from tender_sync.clock import Clock
    from tender_sync.engine import SyncResult
    from tender_sync.sources import Source


@dataclass(frozen=True)
class Settings:
    """What the environment may override: where a history begins, and the pace in seconds between requests."""

    backfill_start: datetime
    pace: float


def read_settings(source: Source, clock: Clock) -> Settings:
    """Read BACKFILL_START_DATE and SYNC_PACE_SECONDS from the environment; the source's own values without them.

    :raises FixSetup: one of them cannot be used
    """
    start, pace = source.history_start, source.pace
    if text := os.environ.get("BACKFILL_START_DATE"):
        start = parse_moment(text, "BACKFILL_START_DATE")
        if start > clock.now():
            raise FixSetup(f"BACKFILL_START_DATE is {text!r}, which lies in the future; expected a past date")
    if text := os.environ.get("SYNC_PACE_SECONDS"):
        try:
            pace = float(text)
        except ValueError:
            pace = -1.0
        if not 0 <= pace <= 3600:  # noqa: PLR2004 - an hour: one request a run
            raise FixSetup(f"SYNC_PACE_SECONDS is {text!r}; expected seconds between requests, from 0 to 3600")
    return Settings(start, pace)


def sync_source(
    source: Source,
    *,
    owner: str,
    run_id: str,
    time_budget: timedelta,
    max_items_per_run: int | None,
    stopping: Callable[[], bool],
    mongo_conn_id: str = MONGO_CONN_ID,
) -> SyncResult:
    """Do one run of `source` through the Airflow connections `source.http_conn_id` and `mongo_conn_id`.

    :raises SkipRun: another run is at work on this source
    :raises FixSetup: a connection or setting is missing or wrong
    :raises StopRun: the API or MongoDB failed; a later run goes on from the same place
    """
    clock = SystemClock()
    settings = read_settings(source, clock)
    hook = _http_hook(source)
    with database(mongo_conn_id) as db:
        ensure_schema(db)
        Stats(db, source).ensure_counted(clock)
        jobs = SyncJobs(db, source, clock, owner=owner, run_id=run_id)
        patience = Patience(clock, clock.now() + time_budget, renew=jobs.renew, stopping=stopping)
        pace = Pace(db, source.name, settings.pace, patience)
        return process_sync_job(
            source,
            fetch_page=Feed(source, hook, pace, clock).fetch_page,
            jobs=jobs,
            store=Store(db, source, jobs, clock),
            patience=patience,
            clock=clock,
            backfill_start=settings.backfill_start,
            max_items_per_run=max_items_per_run,
        )


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
