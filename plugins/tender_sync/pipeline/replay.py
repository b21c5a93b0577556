"""Replay: reads a range again, as the sync reads it, and commits what it finds. The job stays where it is."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tender_sync.pipeline.engine import RangeRead, read_range
from tender_sync.pipeline.run import CommitPage, Run
from tender_sync.pipeline.run_request import Mode, RunRequest
from tender_sync.run_meter import describe_counts
from tender_sync.run_outcome import Outcome
from tender_sync.storage.page_commit import Store
from tender_sync.storage.sync_jobs import read_job
from tender_sync.timestamps import whole_second
from tender_sync.windows import TimeRange

log = logging.getLogger(__name__)


def without_progress(store: Store) -> CommitPage:
    """Return what commits pages through `store` and leaves the job where it is."""
    return lambda page: store.commit_page(replace(page, position=None))


def replay(run: Run, request: RunRequest) -> dict[str, Any]:
    """Read the range of `request` again and commit what it holds; return the run's record."""
    time_range = range_to_read(run, request)
    with run.holding_lease(Mode.REPLAY):
        commit = without_progress(run.store)
        read = read_range(run, time_range, commit, told_as=Mode.REPLAY, max_items=request.max_items)
        facts = range_facts(time_range, read)
        record = run.jobs.end_run(read.outcome, read.reason, counts=run.meter.uncommitted(), **facts)
    log_range_read("replay", run, time_range, read)
    return record


def range_to_read(run: Run, request: RunRequest) -> TimeRange:
    """Return the range asked for or, without one, what a normal run would read now."""
    if request.window:
        return request.window
    job, start = read_job(run.db, run.source), run.backfill_start
    if job:
        start = job.position.watermark - (timedelta() if job.backfilling else run.source.windows.look_back)
    return TimeRange(start, whole_second(run.clock.now()))


def range_facts(time_range: TimeRange, read: RangeRead) -> dict[str, Any]:
    """Return what a run's record says of a range that was read."""
    return {"range": {"from": time_range.start, "to": time_range.end}, "reached": read.reached}


def log_range_read(what: str, run: Run, time_range: TimeRange, read: RangeRead) -> None:
    """Log how reading a range ended and, where it ended early, from where to go on."""
    counts = describe_counts(run.meter.total)
    log.info("%s %s of %s ended (%s): %s", run.source.title, what, time_range, read.outcome, counts)
    if read.outcome is not Outcome.DONE:
        rest = f"{read.reached:%Y-%m-%dT%H:%M:%SZ}"
        log.warning("the %s did not reach its end: trigger it again with window_from %s for the rest", what, rest)
