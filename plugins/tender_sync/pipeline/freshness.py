"""Is a source as fresh as it should be? An alarm is raised once, and not again until it has been fresh in between."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tender_sync.clock import Clock
from tender_sync.connections import MongoDatabase
from tender_sync.errors import AlertOperator, SkipRun
from tender_sync.sources.base import Source
from tender_sync.storage.sync_job_document import ERROR
from tender_sync.storage.sync_jobs import note_freshness, read_document, read_job

log = logging.getLogger(__name__)

# An hourly run that has not even begun for this long will hardly begin by itself.
_NO_RUN = timedelta(hours=2)


def check_freshness(
    db: MongoDatabase, source: Source, clock: Clock, run_id: str, on_age: Callable[[float], None] = lambda _: None
) -> timedelta:
    """Return how old a source's watermark is; `on_age` is told it in seconds.

    When syncing, that age must not exceed `source.max_age`. A backfill's watermark is years old by nature: there it
    must have moved within that time, as far as these checks saw. The same run, cleared, raises its alarm again.

    :raises AlertOperator: the source is stale, and this is the first run to see it
    :raises SkipRun: it is stale, and an earlier run has raised the alarm; or it has never run
    """
    job, document = read_job(db, source), read_document(db, source)
    if job is None:
        raise SkipRun(f"{source.title} has never run: nothing to check")
    now, watermark = clock.now(), document["lastSyncedDate"]
    age = now - job.position.watermark
    on_age(age.total_seconds())
    seen = document.get("freshness") or {}
    unmoved_since = seen["since"] if seen.get("watermark") == watermark else now
    late = now - unmoved_since if job.backfilling else age
    stale = late > source.max_age
    told_by = (seen.get("toldBy") or run_id) if stale else None
    note_freshness(db, source, {"watermark": watermark, "since": unmoved_since, "toldBy": told_by})
    if not stale:
        if seen.get("toldBy"):
            log.info("%s is fresh again", source.title)
        log.info("%s: everything up to %s is in, %s ago", source.title, watermark or "its start", _described(age))
        return age
    if told_by != run_id:
        raise SkipRun(f"{source.title} is still stale, by {_described(late)}; {told_by} has raised the alarm")
    raise AlertOperator(
        f"{source.title} is stale: everything up to {watermark or 'its start'} is in, and that has not "
        f"{'moved' if job.backfilling else 'been later'} for {_described(late)}; expected at most "
        f"{_described(source.max_age)}. {_reason(document, source, now)}"
    )


def _reason(document: dict[str, Any], source: Source, now: datetime) -> str:
    began, lease = document.get("lastRunAt"), document.get("lease")
    if began is None or now - began > _NO_RUN:
        last = f"{began:%Y-%m-%d %H:%M} UTC" if began else "ever"
        return f"No run since {last}: is the DAG {source.dag_id} paused, or Airflow's scheduler down?"
    if document["status"] == ERROR and document["errorLog"]:
        return f"Its last run failed: {document['errorLog'][-1]}"
    if lease:
        return f"{lease['owner']} holds it since {lease['takenAt']:%Y-%m-%d %H:%M} UTC"
    return f"Its last run, begun {began:%Y-%m-%d %H:%M} UTC, ended in order: look at its outcome in syncRuns"


def _described(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"  # noqa: PLR2004 - two days
