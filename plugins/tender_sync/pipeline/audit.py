"""The completeness audit: a range is listed again in windows of another size and compared with the contracts.

What a long walk hid, a short one shows (and the other way round). What is missing is brought in through the same
transaction as any page; the audit holds the source's lease while it works, keeps the API's pace, and moves nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from tender_sync.errors import AlertOperator, FailRun, SkipRun
from tender_sync.pipeline.engine import describe_counts, describe_window, read_range
from tender_sync.pipeline.replay import CommitWithoutProgress, DryRunRecorder, holding_lease
from tender_sync.storage.sync_jobs import read_job
from tender_sync.timestamps import whole_second
from tender_sync.windows import TimeRange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymongo.collection import Collection

    from tender_sync.pipeline.run import Run
    from tender_sync.sources.base import Source
    from tender_sync.storage.page_commit import MappedPage, Store
    from tender_sync.storage.sync_jobs import SyncJob

log = logging.getLogger(__name__)

AUDIT = "audit"
# A week, and a day shared with the audit before.
USUAL_RANGE = timedelta(days=8)
_NAMED_AT_MOST = 50


class AuditRecorder:
    """Compares each page with the contracts, notes the difference in the audit's document, then passes the page on.

    In this order, so that what is repaired is known of whatever happens. `told` are notice ids that are noted already.
    """

    def __init__(
        self, audits: Collection[dict[str, Any]], key: Any, store: Store, *, repair: bool, told: Iterable[str]
    ) -> None:
        self._audits = audits
        self._key = key
        self._store = store
        self._repair = repair
        self._passed_on = CommitWithoutProgress(store) if repair else DryRunRecorder(store)
        self._found = set(told)

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Compare and pass on; what is found twice, because its window is read again, counts once."""
        fates = self._store.preview(page.contracts)
        missing = [notice_id for notice_id in fates.created if notice_id not in self._found]
        stale = [notice_id for notice_id in fates.updated if notice_id not in self._found]
        self._found.update(missing, stale)
        for what, ids in (("missing", missing), ("stale", stale)):
            if ids:
                log.error("%s in the contracts, of window %s: %s", what, describe_window(page.window), ", ".join(ids))
        found = Counter(missing=len(missing), stale=len(stale))
        checked = Counter(
            windowsChecked=page.counts["windows"],
            suspect=int(page.suspect is not None),
            requests=page.counts["requests"],
        )
        repaired = Counter(repaired=found.total() if self._repair else 0)
        named = {"$each": [*missing, *stale], "$slice": _NAMED_AT_MOST}
        self._audits.update_one(
            {"_id": self._key}, {"$inc": dict(found | checked | repaired), "$push": {"named": named}}
        )
        return self._passed_on.commit_page(page)


def audit(run: Run, window: TimeRange | None, *, repair: bool) -> dict[str, Any]:
    """Audit `window`, or what is due: the last week and, before it, what the audit before did not reach.

    Returns the audit's document of `syncAudits`.

    :raises SkipRun: there is nothing to audit yet
    :raises AlertOperator: notices were missing or stale; with `repair` they are in by then
    :raises FailRun: the API or MongoDB failed, or another run held the source for the whole time budget
    """
    source, clock = run.source, run.clock
    job = read_job(run.db, source)
    if job is None:
        raise SkipRun(f"{source.title} has never run: there is nothing to audit")
    asked = window is not None
    window = window or _due(run, job)
    audits = run.db["syncAudits"]
    with holding_lease(run, AUDIT):
        began: dict[str, Any] = {
            "source": source.name,
            "runId": run.jobs.run_id,
            "from": window.start,
            "to": window.end,
            "asked": asked,
            "repair": repair,
            "startedAt": clock.now(),
            "endedAt": None,
            "outcome": None,
            "reached": window.start,
            "named": [],
            **dict.fromkeys(("windowsChecked", "missing", "stale", "repaired", "requests", "suspect"), 0),
        }
        # This one has the lease, so no other is at work.
        audits.update_many(
            {"source": source.name, "endedAt": None}, {"$set": {"endedAt": clock.now(), "outcome": "died"}}
        )
        began |= _untold(audits, source)
        key = audits.insert_one(began).inserted_id
        span = source.audit_span
        try:
            in_other_windows = replace(
                run, source=replace(source, first_span=span, max_unproven_span=span, max_span=span)
            )
            compared = AuditRecorder(audits, key, run.store, repair=repair, told=began["named"])
            read = read_range(in_other_windows, window, compared, mode=AUDIT)
        except (SkipRun, FailRun):
            audits.update_one({"_id": key}, {"$set": {"endedAt": clock.now(), "outcome": "failed"}})
            raise
        range_read = {"from": window.start, "to": window.end}
        run.jobs.end_run(read.outcome, counts=read.uncommitted_counts, range=range_read, reached=read.reached)
    # Last, because one that is ended counts as told.
    ended = {"endedAt": clock.now(), "outcome": read.outcome, "reached": read.reached}
    audits.update_one({"_id": key}, {"$set": ended})
    found: dict[str, Any] = audits.find_one({"_id": key}) or {}
    log.info(
        "%s audit of %s ended (%s), checked up to %s UTC: %d windows, %d missing, %d stale, %d repaired; %s",
        source.title,
        describe_window(window),
        read.outcome,
        f"{read.reached:%Y-%m-%d %H:%M:%S}",
        *(found[name] for name in ("windowsChecked", "missing", "stale", "repaired")),
        describe_counts(read.counts),
    )
    if found["missing"] or found["stale"] or found["suspect"]:
        _tell(source, window, found)
    return found


def _due(run: Run, job: SyncJob) -> TimeRange:
    """Return the week up to what the sync no longer looks back at, or more where the audit before was cut short."""
    source = run.source
    if job.backfilling:
        raise SkipRun(f"{source.title} is still backfilling: its audits begin when its history is in")
    end = whole_second(job.position.watermark - source.look_back)
    start = run.clock.now() - USUAL_RANGE
    # One of a range that somebody asked for says nothing of what is due: with a range of years, the week never came.
    due = {"source": source.name, "asked": {"$ne": True}}
    before = run.db["syncAudits"].find_one(due, sort=[("startedAt", -1)])
    if before and before["outcome"] != "done":
        start = min(start, before["reached"])
    start = max(whole_second(start), job.backfill_start)
    if start >= end:
        raise SkipRun(
            f"{source.title} has nothing to audit: it is in up to {job.position.watermark:%Y-%m-%d %H:%M} UTC"
        )
    return TimeRange(start, end)


def _untold(audits: Collection[dict[str, Any]], source: Source) -> dict[str, Any]:
    """Return what the audit before had found and repaired when it failed or died: nobody was told, and it is in now."""
    before = audits.find_one({"source": source.name}, sort=[("startedAt", -1)])
    if before is None or before["outcome"] not in ("failed", "died") or not before["repair"]:
        return {}
    return {name: before[name] for name in ("missing", "stale", "repaired", "named")}


def _tell(source: Source, window: TimeRange, found: dict[str, Any]) -> NoReturn:
    raise AlertOperator(
        f"{source.title}: of what the API lists in {describe_window(window)}, {found['missing']} notices were missing "
        f"from the contracts and {found['stale']} were an older version; {found['repaired']} are put right. "
        f"{found['suspect']} windows could not be read to a believable end. The sync had passed over them: see the "
        f"audit's document in syncAudits ({', '.join(found['named'][:5]) or 'none named'}), and clear this task to "
        "audit the same range again"
    )
