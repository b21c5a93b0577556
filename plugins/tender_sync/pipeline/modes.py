"""What a run of each mode does, from the trigger form's values to the run's record."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tender_sync.clock import SystemClock
from tender_sync.errors import FixSetup
from tender_sync.pipeline.audit import AUDIT, audit
from tender_sync.pipeline.dry_run import dry_run
from tender_sync.pipeline.engine import process_sync_job
from tender_sync.pipeline.replay import replay
from tender_sync.pipeline.reset import reset
from tender_sync.pipeline.retry_rejected import retry_rejected
from tender_sync.pipeline.run import Run, RunOptions, open_run
from tender_sync.pipeline.run_request import Mode, RunRequest, read_run_request, read_time_budget, read_window
from tender_sync.sources import MONGO_CONN_ID
from tender_sync.sources.base import Source
from tender_sync.storage.sync_jobs import read_job


def run_source(
    source: Source,
    params: Mapping[str, Any],
    options: RunOptions,
    *,
    backfill_of: datetime | None = None,
    mongo_conn_id: str = MONGO_CONN_ID,
) -> dict[str, Any]:
    """Do one run of `source` as the trigger form's `params` ask, and return its record (see `read_run_request`).

    Of `options` the run sets the mode and what follows from it. The record's `changes` are what Airflow is to be told
    of; a dry run has none. The connections used are `source.http_conn_id` and `mongo_conn_id`.

    :raises SkipRun: another run is at work on this source
    :raises FixSetup: a connection, a setting or the form is wrong
    :raises FailRun: the API or MongoDB failed, and a later run goes on from the same position; or another run held the
        source for the whole time budget (any mode but normal)
    """
    clock = SystemClock()
    request = read_run_request(params, clock.now(), backfill_of=backfill_of)
    mode, writes = None if request.mode is Mode.NORMAL else request.mode, request.mode is not Mode.DRY_RUN
    options = replace(options, mode=mode, writes=writes, time_budget=request.time_budget)
    with open_run(source, clock, options, mongo_conn_id=mongo_conn_id, backfill_start=request.backfill_start) as run:
        return _DO[request.mode](run, request)


def audit_source(
    source: Source, params: Mapping[str, Any], options: RunOptions, *, mongo_conn_id: str = MONGO_CONN_ID
) -> dict[str, Any]:
    """Do one audit of `source` as the form's `params` ask; see `audit.audit`. Raises FixSetup as `run_source` does."""
    clock = SystemClock()
    window = read_window(params, clock.now())
    options = replace(options, mode=AUDIT, announces=False, time_budget=read_time_budget(params))
    with open_run(source, clock, options, mongo_conn_id=mongo_conn_id) as run:
        return audit(run, window, repair=bool(params.get("repair", True)))


def _bring_forward(run: Run, request: RunRequest) -> dict[str, Any]:
    job = read_job(run.db, run.source)
    if request.backfill_start and job and job.backfill_start != request.backfill_start:
        raise FixSetup(
            f"nothing was done: the backfill of {run.source.title} began at {job.backfill_start:%Y-%m-%d %H:%M} "
            f"UTC, not at {request.backfill_start:%Y-%m-%d %H:%M}. To read the history from there, choose mode reset; "
            "to read a part of it, mode replay"
        )
    return process_sync_job(run, request.max_items).record


_DO: Mapping[Mode, Callable[[Run, RunRequest], dict[str, Any]]] = {
    Mode.NORMAL: _bring_forward,
    Mode.REPLAY: replay,
    Mode.DRY_RUN: dry_run,
    Mode.REPLAY_REJECTED: retry_rejected,
    Mode.RESET: reset,
}
