"""One run of one source, assembled: connections, settings, pace, feed, store and engine."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.exceptions import AirflowException
from bson.regex import Regex

from tender_sync.api.client import PageClient
from tender_sync.clock import SystemClock
from tender_sync.connections import database
from tender_sync.errors import FixSetup
from tender_sync.orchestration.metrics import count_page
from tender_sync.pipeline.audit import AUDIT, audit
from tender_sync.pipeline.engine import process_sync_job
from tender_sync.pipeline.replay import dry_run, replay, replay_rejected
from tender_sync.pipeline.reset import reset
from tender_sync.pipeline.run import Run
from tender_sync.pipeline.run_request import Mode, read_run_request, read_time_budget, read_window
from tender_sync.run_budget import RunBudget
from tender_sync.sources import MONGO_CONN_ID
from tender_sync.storage.contract_counts import ContractCounts
from tender_sync.storage.page_commit import Store
from tender_sync.storage.request_slots import RequestSlots
from tender_sync.storage.schema import ensure_schema
from tender_sync.storage.sync_jobs import SyncJobs, read_job
from tender_sync.timestamps import parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import timedelta

    from tender_sync.clock import Clock
    from tender_sync.pipeline.run_request import RunRequest
    from tender_sync.sources.base import Source

# Before it lie slips of the pen only, and years that would not be read back as they are written down.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Settings:
    """What the environment may override: where a history begins, and the pace in seconds between requests.

    `burst` requests may follow one another at once (`pace.RequestSlots`); an overridden pace is kept between any two.
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
        start = parse_timestamp(text, "BACKFILL_START_DATE")
        if not _EARLIEST <= start <= clock.now():
            raise FixSetup(f"BACKFILL_START_DATE is {text!r}; expected a past date, from {_EARLIEST:%Y-%m-%d} on")
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
    stop_requested: Callable[[], bool],
    backfill_of: datetime | None = None,
    mongo_conn_id: str = MONGO_CONN_ID,
) -> dict[str, Any]:
    """Do one run of `source` as the trigger form's `params` ask, and return its record (see `orders.read_run_request`).

    Its `changes` are what Airflow is to be told of. The connections used are `source.http_conn_id` and `mongo_conn_id`.

    :raises SkipRun: another run is at work on this source
    :raises FixSetup: a connection, a setting or the form is wrong
    :raises FailRun: the API or MongoDB failed; a later run goes on from the same place
    """
    order = read_run_request(params, SystemClock().now(), backfill_of=backfill_of)
    mode = None if order.mode is Mode.NORMAL else order.mode
    with _assembled(
        source,
        mode,
        order.time_budget,
        owner=owner,
        run_id=run_id,
        stop_requested=stop_requested,
        mongo_conn_id=mongo_conn_id,
        backfill_start=order.backfill_start,
    ) as run:
        record = _DO[order.mode](run, order)
        return record if mode is Mode.DRY_RUN else record | {"changes": _changes(run, record)}


def audit_source(
    source: Source,
    params: Mapping[str, Any],
    *,
    owner: str,
    run_id: str,
    stop_requested: Callable[[], bool],
    mongo_conn_id: str = MONGO_CONN_ID,
) -> dict[str, Any]:
    """Do one audit of `source` as the trigger form's `params` ask; see `audit.audit`.

    :raises FixSetup: a connection, a setting or the form is wrong
    """
    window = read_window(params, SystemClock().now())
    with _assembled(
        source,
        AUDIT,
        read_time_budget(params),
        owner=owner,
        run_id=run_id,
        stop_requested=stop_requested,
        mongo_conn_id=mongo_conn_id,
    ) as run:
        return audit(run, window, repair=bool(params.get("repair", True)))


@contextmanager
def _assembled(
    source: Source,
    mode: str | None,
    time_budget: timedelta,
    *,
    owner: str,
    run_id: str,
    stop_requested: Callable[[], bool],
    mongo_conn_id: str,
    backfill_start: datetime | None = None,
) -> Iterator[Run]:
    """Put a run together from connections and settings, for the time of the block."""
    clock = SystemClock()
    settings = read_settings(source, clock)
    hook = _http_hook(source)
    with database(mongo_conn_id) as db:
        ensure_schema(db)
        jobs = SyncJobs(db, source, clock, owner=owner, run_id=run_id, mode=mode)
        renew: Callable[[], None] = jobs.renew
        if mode == Mode.DRY_RUN:
            renew = _nothing_to_renew
        else:
            ContractCounts(db, source).ensure_counted(clock)
        budget = RunBudget(clock, clock.now() + time_budget, renew=renew, stop_requested=stop_requested)
        pace = RequestSlots(db, source.name, settings.pace, budget, burst=settings.burst)
        yield Run(
            source=source,
            db=db,
            jobs=jobs,
            store=Store(db, source, jobs, clock, on_commit=partial(count_page, source)),
            fetch_page=PageClient(source, hook, pace, clock).fetch_page,
            budget=budget,
            clock=clock,
            backfill_start=backfill_start or settings.backfill_start,
        )


def _nothing_to_renew() -> None:
    """Stand in for the renewal of a lease that a dry run does not hold."""


def _bring_forward(run: Run, order: RunRequest) -> dict[str, Any]:
    job = read_job(run.db, run.source)
    if order.backfill_start and job and job.backfill_start != order.backfill_start:
        raise FixSetup(
            f"nothing was done: the backfill of {run.source.title} began at {job.backfill_start:%Y-%m-%d %H:%M} "
            f"UTC, not at {order.backfill_start:%Y-%m-%d %H:%M}. To read the history from there, choose mode reset; to "
            "read a part of it, mode replay"
        )
    return process_sync_job(
        run.source,
        fetch_page=run.fetch_page,
        jobs=run.jobs,
        store=run.store,
        budget=run.budget,
        clock=run.clock,
        backfill_start=run.backfill_start,
        max_items_per_run=order.max_items,
    ).record


def _changes(run: Run, record: Mapping[str, Any]) -> dict[str, int]:
    """Count the contracts created and updated by this run, and by those before it whose event Airflow may not have.

    It takes events of tasks that succeed: a run that failed, died or was told to stop, an earlier try of this one, and
    an audit leave theirs to the next. Those of a last try that dies between its run's end and its success are told by
    none.
    """
    runs, since = run.db["syncRuns"], {"$lt": record["startedAt"]}
    before = {"source": run.source.name, "startedAt": since}
    told = {
        "mode": {"$ne": AUDIT},
        "runId": {"$ne": record["runId"]},
        "outcome": {"$not": Regex("^(failed|died|told)")},
    }
    if last := runs.find_one(before | told, sort=[("startedAt", -1)]):
        since["$gt"] = last["startedAt"]
    found = [record, *runs.find(before)]
    return {name: sum(each.get(name, 0) for each in found) for name in ("created", "updated")}


_DO: Mapping[Mode, Callable[[Run, RunRequest], dict[str, Any]]] = {
    Mode.NORMAL: _bring_forward,
    Mode.REPLAY: replay,
    Mode.DRY_RUN: dry_run,
    Mode.REPLAY_REJECTED: replay_rejected,
    Mode.RESET: reset,
}


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
