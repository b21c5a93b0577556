"""The completeness audit: lists a range again in windows of another size, and compares it with the contracts.

What a long walk hid, a short one shows (and the other way round). What is missing is brought in through the same
transaction as any page. The audit holds the source's lease while it works, keeps the API's pace, and moves nothing.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tender_sync.errors import AlertOperator, FailRun, SkipRun
from tender_sync.pipeline.dry_run import DryRunRecorder
from tender_sync.pipeline.engine import read_range
from tender_sync.pipeline.replay import range_facts, without_progress
from tender_sync.pipeline.run import Run
from tender_sync.run_meter import describe_counts
from tender_sync.run_outcome import Outcome
from tender_sync.storage.audits import Audits
from tender_sync.storage.page_commit import MappedPage, Store
from tender_sync.storage.sync_job_document import SyncJob
from tender_sync.storage.sync_jobs import read_job
from tender_sync.timestamps import whole_second
from tender_sync.windows import TimeRange

log = logging.getLogger(__name__)

AUDIT = "audit"
# A week, and a day shared with the audit before.
USUAL_RANGE = timedelta(days=8)


class AuditRecorder:
    """Compares each page with the contracts, notes the difference in the audit's record, then passes the page on.

    In this order, so that what is repaired is known whatever happens. `found` are notice ids that are noted already.
    """

    def __init__(self, audits: Audits, store: Store, *, repair: bool, found: Iterable[str]) -> None:
        self._audits = audits
        self._store = store
        self._repair = repair
        self._commit = without_progress(store) if repair else DryRunRecorder(store).commit_page
        self._found = set(found)

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Compare the page and pass it on; what is found twice, because its window is read again, counts once."""
        changes = self._store.contracts.preview(page.contracts)
        missing = [notice_id for notice_id in changes.created if notice_id not in self._found]
        stale = [notice_id for notice_id in changes.updated if notice_id not in self._found]
        self._found.update(missing, stale)
        for what, ids in (("missing", missing), ("stale", stale)):
            if ids:
                log.error("%s in the contracts, of window %s: %s", what, page.window, ", ".join(ids))
        named = [*missing, *stale]
        counts = {
            "missing": len(missing),
            "stale": len(stale),
            "repaired": len(named) if self._repair else 0,
            "windowsChecked": page.counts["windows"],
            "suspect": int(bool(page.suspect)),
            "requests": page.counts["requests"],
        }
        self._audits.add(counts, named)
        return self._commit(page)


def audit(run: Run, time_range: TimeRange | None, *, repair: bool) -> dict[str, Any]:
    """Audit `time_range`, or what is due: the last week and, before it, what the audit before did not reach.

    Returns the audit's document of `syncAudits`.

    :raises SkipRun: there is nothing to audit yet
    :raises AlertOperator: notices were missing or stale; with `repair` they are in by then
    :raises FailRun: the API or MongoDB failed, or another run held the source for the whole time budget
    """
    source, clock, audits = run.source, run.clock, Audits(run.db, run.source)
    job = read_job(run.db, source)
    if job is None:
        raise SkipRun(f"{source.title} has never run: there is nothing to audit")
    asked = time_range is not None
    time_range = time_range or _due(run, job, audits)
    span = source.audit_span
    rules = replace(source.windows, first_span=span, max_unproven_span=span, max_span=span)
    with run.holding_lease(AUDIT):
        found = audits.begin(time_range, clock.now(), runId=run.jobs.run_id, asked=asked, repair=repair)
        commit = AuditRecorder(audits, run.store, repair=repair, found=found).commit_page
        try:
            read = read_range(run, time_range, commit, told_as=AUDIT, rules=rules)
        except (SkipRun, FailRun):
            audits.end(Outcome.FAILED, clock.now())
            raise
        run.jobs.end_run(read.outcome, read.reason, counts=run.meter.uncommitted(), **range_facts(time_range, read))
    # Last, because an audit that is ended counts as told.
    record = audits.end(read.outcome, clock.now(), reached=read.reached)
    log.info(
        "%s audit of %s ended (%s), checked up to %s UTC: %d windows, %d missing, %d stale, %d repaired; %s",
        source.title,
        time_range,
        read.outcome,
        f"{read.reached:%Y-%m-%d %H:%M:%S}",
        *(record[name] for name in ("windowsChecked", "missing", "stale", "repaired")),
        describe_counts(run.meter.total),
    )
    if record["missing"] or record["stale"] or record["suspect"]:
        raise AlertOperator(
            f"{source.title}: of what the API lists in {time_range}, {record['missing']} notices were missing from the "
            f"contracts and {record['stale']} were an older version; {record['repaired']} are put right. "
            f"{record['suspect']} windows could not be read to a believable end. The sync had passed over them: see "
            f"the audit's document in syncAudits ({', '.join(record['named'][:5]) or 'none named'}), and clear this "
            "task to audit the same range again"
        )
    return record


def _due(run: Run, job: SyncJob, audits: Audits) -> TimeRange:
    """Return the week up to what the sync no longer looks back at, or more where the audit before ended early."""
    source = run.source
    if job.backfilling:
        raise SkipRun(f"{source.title} is still backfilling: its audits begin when its history is in")
    end = whole_second(job.position.watermark - source.windows.look_back)
    week = run.clock.now() - USUAL_RANGE
    start = max(whole_second(min(week, audits.unread_since() or week)), job.backfill_start)
    if start >= end:
        reached = f"{job.position.watermark:%Y-%m-%d %H:%M} UTC"
        raise SkipRun(f"{source.title} has nothing to audit: it is in up to {reached}")
    return TimeRange(start, end)
