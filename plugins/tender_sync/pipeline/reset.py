"""Beginning a source anew: first the plan, with a code; then, when the code comes back, the reset itself."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tender_sync.errors import FixSetup
from tender_sync.pipeline.replay import holding_lease
from tender_sync.pipeline.run_request import Mode

if TYPE_CHECKING:
    from pymongo.database import Database

    from tender_sync.pipeline.run import Run
    from tender_sync.pipeline.run_request import RunRequest
    from tender_sync.sources.base import Source

log = logging.getLogger(__name__)

_NEVER = datetime.min.replace(tzinfo=UTC)
_FORGOTTEN = ("status", "window", "cursor", "lastSyncedDate", "backfillStartDate", "backfillCompletedAt")


def reset(run: Run, order: RunRequest) -> dict[str, Any]:
    """Show what a reset would forget, or do it when the order's `confirmation` is the code that plan gave.

    Contracts, buyers and rejected releases stay, and so do the counts: reading them again changes only what is wrong.
    The history is read again from the run's `backfill_start`. The code is good for one reset of this source to there.

    :raises FixSetup: it is another code
    :raises FailRun: MongoDB failed, or another run held the source for the whole time budget
    """
    source, db, jobs, start = run.source, run.db, run.jobs, run.backfill_start
    with holding_lease(run, Mode.RESET):
        job = db["syncJobs"].find_one({"source": source.name}) or {}
        plan = {name: job.get(name) for name in _FORGOTTEN} | {"suspectWindows": len(job.get("suspectWindows", ()))}
        plan["contracts"] = db["contracts"].count_documents({"source": source.name})
        code = _code(job, start)
        if order.confirmation is None:
            _show(source, plan, start, code)
            return jobs.end_run("plan shown, nothing changed", plan=plan, confirm=code)
        if order.confirmation != code and not _done_before(db, source, jobs.run_id, job):
            raise FixSetup(
                f"nothing was done: {order.confirmation!r} does not confirm the reset of {source.title} to "
                f"{start:%Y-%m-%d %H:%M} UTC. Trigger the DAG with mode reset and no confirmation to be shown the plan "
                "and its code; it is good for one reset, to that same start"
            )
        jobs.reset(start)
        log.warning("%s is reset: its history is read again from %s UTC", source.title, f"{start:%Y-%m-%d %H:%M}")
        return jobs.end_run("reset", plan=plan)


def _code(job: dict[str, Any], start: datetime) -> str:
    # No part of where the source is: it goes on reading between the plan and its confirmation.
    said = f"{job.get('source')} {job.get('createdAt')} {job.get('resetAt')} {start}"
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def _done_before(db: Database[dict[str, Any]], source: Source, run_id: str, job: dict[str, Any]) -> bool:
    """Say whether a try of this same run used the code up, and died before it could say so: it is done again."""
    tries = db["syncRuns"].find({"source": source.name, "runId": run_id, "endedAt": {"$ne": None}})
    last = next(tries.sort("startedAt", -1).limit(1), None)
    return bool(last and last["outcome"] == "died" and (job.get("resetAt") or _NEVER) >= last["startedAt"])


def _show(source: Source, plan: dict[str, Any], start: datetime, code: str) -> None:
    contracts = plan["contracts"]
    log.info("a reset of %s would forget where it is: %s", source.title, plan)
    log.info(
        "it would read the history again from %s UTC; its %d contracts stay and are compared, at least %d requests, "
        "%.1f hours",
        f"{start:%Y-%m-%d %H:%M}",
        contracts,
        contracts // source.page_size,
        contracts / source.page_size * source.pace / 3600,
    )
    log.warning("nothing is changed yet: to do it, trigger again with mode reset, the same start, and confirm %s", code)
