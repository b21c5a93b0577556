"""Is a source as fresh as it should be? Said once when it is not, and not again until it has been fresh in between."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tender_sync.errors import AlertOperator, SkipRun
from tender_sync.orchestration.metrics import gauge_age
from tender_sync.storage.sync_jobs import ERROR, read_job

if TYPE_CHECKING:
    from datetime import datetime

    from pymongo.database import Database

    from tender_sync.clock import Clock
    from tender_sync.sources.base import Source

log = logging.getLogger(__name__)

# An hourly run that has not even begun for this long will hardly begin by itself.
_NO_RUN = timedelta(hours=2)


def check_freshness(db: Database[dict[str, Any]], source: Source, clock: Clock, run_id: str) -> timedelta:
    """Return how old a source's watermark is.

    When syncing, that is what must not exceed `source.max_age`. A backfill's watermark is years old by nature: there
    it must have moved within that time, as far as these checks saw. The same run, cleared, says it again.

    :raises AlertOperator: it is stale, and this is the first run to see it
    :raises SkipRun: it is stale, and an earlier run has said so; or it has never run
    """
    job, document = read_job(db, source), db["syncJobs"].find_one({"source": source.name})
    if job is None or document is None:
        raise SkipRun(f"{source.title} has never run: nothing to check")
    now, watermark = clock.now(), document["lastSyncedDate"]
    seen = document.get("freshness") or {}
    since = seen["since"] if seen.get("watermark") == watermark else now
    age = now - job.position.watermark
    late = now - since if job.backfilling else age
    gauge_age(source, age.total_seconds())
    told_by = seen.get("toldBy") if late > source.max_age else None
    telling = run_id if late > source.max_age else None
    state = {"watermark": watermark, "since": since, "toldBy": told_by or telling}
    db["syncJobs"].update_one({"source": source.name}, {"$set": {"freshness": state}})
    if late <= source.max_age:
        if seen.get("toldBy"):
            log.info("%s is fresh again", source.title)
        log.info("%s: everything up to %s is in, %s ago", source.title, watermark or "its start", _said(age))
        return age
    if told_by not in (None, run_id):
        raise SkipRun(f"{source.title} is still stale, by {_said(late)}; {told_by} has said so")
    raise AlertOperator(
        f"{source.title} is stale: everything up to {watermark or 'its start'} is in, and that has not "
        f"{'moved' if job.backfilling else 'been later'} for {_said(late)}; expected at most {_said(source.max_age)}. "
        f"{_why(document, source, now)}"
    )


def _why(document: dict[str, Any], source: Source, now: datetime) -> str:
    began, lease = document.get("lastRunAt"), document.get("lease")
    if began is None or now - began > _NO_RUN:
        last = f"{began:%Y-%m-%d %H:%M} UTC" if began else "ever"
        return f"No run since {last}: is the DAG {source.dag_id} paused, or Airflow's scheduler down?"
    if document["status"] == ERROR and document["errorLog"]:
        return f"Its last run failed: {document['errorLog'][-1]}"
    if lease:
        return f"{lease['owner']} holds it since {lease['takenAt']:%Y-%m-%d %H:%M} UTC"
    return f"Its last run, begun {began:%Y-%m-%d %H:%M} UTC, ended in order: look at its outcome in syncRuns"


def _said(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"  # noqa: PLR2004 - two days
