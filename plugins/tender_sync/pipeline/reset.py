"""Reset: begins a source's history anew. A first run shows the plan and a code; a second run, given it, resets."""

import hashlib
import logging
from datetime import UTC, datetime
from typing import Any

from tender_sync.errors import FixSetup
from tender_sync.pipeline.run import Run
from tender_sync.pipeline.run_request import Mode, RunRequest
from tender_sync.run_outcome import Outcome
from tender_sync.sources.base import Source
from tender_sync.storage.sync_jobs import read_document

log = logging.getLogger(__name__)

_NEVER = datetime.min.replace(tzinfo=UTC)
_FORGOTTEN = ("status", "window", "cursor", "lastSyncedDate", "backfillStartDate", "backfillCompletedAt")


def reset(run: Run, request: RunRequest) -> dict[str, Any]:
    """Show what a reset would forget, or do it when the request's `confirmation` is the code that the plan gave.

    Contracts, buyers and rejected releases stay, and so do the counts: reading them again changes only what is wrong.
    The history is read again from the run's `backfill_start`. The code is good for one reset of this source to there.

    :raises FixSetup: it is another code
    """
    source, jobs, start = run.source, run.jobs, run.backfill_start
    with run.holding_lease(Mode.RESET):
        job = read_document(run.db, source)
        plan = {name: job.get(name) for name in _FORGOTTEN} | {"suspectWindows": len(job.get("suspectWindows", ()))}
        plan["contracts"] = run.store.contracts.count()
        # Made of nothing that moves: the source goes on reading between the plan and its confirmation.
        text = f"{job.get('source')} {job.get('createdAt')} {job.get('resetAt')} {start}"
        code = hashlib.sha256(text.encode()).hexdigest()[:8]
        if request.confirmation is None:
            _log_plan(source, plan, start, code)
            return jobs.end_run(Outcome.PLAN_SHOWN, plan=plan, confirm=code)
        if request.confirmation != code and not _done_by_an_earlier_try(run, job):
            raise FixSetup(
                f"nothing was done: {request.confirmation!r} does not confirm the reset of {source.title} to "
                f"{start:%Y-%m-%d %H:%M} UTC. Trigger the DAG with mode reset and no confirmation to be shown the plan "
                "and its code; it is good for one reset, to that same start"
            )
        jobs.reset(start)
        log.warning("%s is reset: its history is read again from %s UTC", source.title, f"{start:%Y-%m-%d %H:%M}")
        return jobs.end_run(Outcome.RESET, plan=plan)


def _done_by_an_earlier_try(run: Run, job: dict[str, Any]) -> bool:
    """Tell whether a try of this same run used the code and did not come to its end: then the reset is done again."""
    last = run.jobs.last_try()
    if last is None or last["outcome"] not in {Outcome.DIED, Outcome.FAILED}:
        return False
    return bool((job.get("resetAt") or _NEVER) >= last["startedAt"])


def _log_plan(source: Source, plan: dict[str, Any], start: datetime, code: str) -> None:
    contracts = plan["contracts"]
    log.info("a reset of %s would forget where it is: %s", source.title, plan)
    log.info(
        "it would read the history again from %s UTC; its %d contracts stay and are compared, at least %d requests, "
        "%.1f hours",
        f"{start:%Y-%m-%d %H:%M}",
        contracts,
        contracts // source.windows.page_size,
        contracts / source.windows.page_size * source.pace / 3600,
    )
    log.warning("nothing is changed yet: to do it, trigger again with mode reset, the same start, and confirm %s", code)
