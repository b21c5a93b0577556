"""Makes what the page shows from the documents it read: pure functions from documents to JSON.

Times are ISO 8601 in UTC, durations are seconds, shares are from 0 to 1. An unknown value is None.
"""

import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tender_sync.errors import FixSetup
from tender_sync.mapping.json_access import number
from tender_sync.run_meter import RELEASE_COUNTERS
from tender_sync.sources.base import Source
from tender_sync.storage.contract_counts import UNDATED
from tender_sync.storage.sync_job_document import BACKFILLING, ERROR, SYNCING, SyncJob, sync_job
from tender_sync.web.queries import REJECTED_COUNTED, SourceDocuments

REFRESH_SECONDS = 5
DAYS_SHOWN = 90
MEASURED_OVER = timedelta(days=1)  # rates are those of the runs of the last day
# No run lasts longer. A killed run has no end until a later run notices it.
LONGEST_RUN = timedelta(hours=1)
RAW_SHOWN = 200_000
NAMED_SHOWN = 10
_SATURDAY = 5

_RUN_COUNTS = (*RELEASE_COUNTERS, "requests", "pages", "windows", "waitedSeconds")
# What the charts need of a run.
_BAR_COUNTS = ("created", "updated", "unchanged", "rejected", "waitedSeconds")
# A name and a password before the @ of an address.
_CREDENTIALS = re.compile(r"[^\s/:@'\"]*+:[^\s@'\"]*+@")


def overview(
    documents: Iterable[SourceDocuments], buyers: Iterable[Mapping[str, Any]], now: datetime
) -> dict[str, Any]:
    """Return everything on the page except raw releases."""
    return {
        "now": _iso(now),
        "refreshSeconds": REFRESH_SECONDS,
        "sources": [source_view(found, now) for found in documents],
        "buyers": [
            {name: str(buyer.get(name)) for name in ("name", "orgId")}
            | {"contracts": number(buyer.get("contractCount")) or 0}
            for buyer in buyers
        ],
    }


def source_view(found: SourceDocuments, now: datetime) -> dict[str, Any]:
    """Return how far one source has come, what its runs did, and what is stored.

    When somebody wrote a value into the job that no run can use, the view says so and shows everything else.
    """
    try:
        return _source_view(found, sync_job(found.job or {}, found.source), now)
    except FixSetup as problem:
        unusable = {"mode": "in error", "sentence": f"No run begins: {problem}."}
        return _source_view(replace(found, job=None), sync_job({}, found.source), now) | unusable


def _source_view(found: SourceDocuments, known: SyncJob, now: datetime) -> dict[str, Any]:
    source, backfilling = found.source, known.backfilling
    job = found.job or {}
    lease = job.get("lease")
    watermark = known.position.watermark if job.get("lastSyncedDate") else None
    last = found.runs[0] if found.runs else None
    return {
        "source": source.name,
        "title": source.title,
        "dagId": source.dag_id,
        "mode": _mode(job, known),
        "sentence": _sentence(source, job, known),
        "watermark": _iso(watermark),
        "watermarkAgeSeconds": watermark and (now - watermark).total_seconds(),
        "stale": bool(not backfilling and watermark and now - watermark > source.max_age),
        "window": _window(job.get("window")),
        "backfill": _backfill(known, job, found.runs, now) if backfilling and job else None,
        "totalFetched": job.get("totalFetched", 0),
        "lastRun": last and _run(last, now),
        "lease": lease
        and _fields(lease, times=("expiresAt",), texts=("owner",)) | {"expired": lease["expiresAt"] <= now},
        "errors": [without_credentials(str(entry)) for entry in reversed(job.get("errorLog") or [])],
        "suspects": [
            _fields(suspect, times=("from", "to", "at"), texts=("reason",))
            for suspect in reversed(job.get("suspectWindows") or [])
        ],
        "audit": found.audit and _audit(found.audit),
        "rejected": {
            "count": found.rejected_count,
            "orMore": found.rejected_count >= REJECTED_COUNTED,
            "latest": [_rejected(each) for each in found.rejected],
        },
        "runs": [
            {"outcome": _outcome(run)} | _fields(run, times=("startedAt",), counts=_BAR_COUNTS)
            for run in reversed(found.runs)
        ],
        **_stored(
            found.months,
            read=(known.backfill_start, known.position.watermark),
            until=watermark if backfilling and watermark else now,
        ),
    }


def rejected_release(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rejected release with its raw text, at most `RAW_SHOWN` characters of it."""
    text = _raw_text(document)
    return _rejected(document) | {"raw": text[:RAW_SHOWN], "cut": len(text) > RAW_SHOWN}


def without_credentials(text: str) -> str:
    """Return a message without any name and password in an address."""
    return _CREDENTIALS.sub("…@", text)


def _mode(job: Mapping[str, Any], known: SyncJob) -> str:
    if not job:
        return "never run"
    if job.get("status") == ERROR:
        return "in error"
    return BACKFILLING if known.backfilling else SYNCING


def _sentence(source: Source, job: Mapping[str, Any], known: SyncJob) -> str:
    if not job:
        return f"No run has begun yet: switch on or trigger the DAG {source.dag_id}."
    if known.backfilling:
        sentence = f"The history from {known.backfill_start:%Y-%m-%d} on is being read, window by window."
    else:
        since = f"{job['backfillCompletedAt']:%Y-%m-%d %H:%M} UTC"
        sentence = f"The history is complete since {since}; each run brings what is new or changed."
    if job.get("status") == ERROR:
        sentence = f"The last run failed and lost nothing: the next one goes on from the same place. {sentence}"
    if failures := known.failures:
        sentence += f" {failures} run{'s' if failures > 1 else ''} in a row could not get past the open window."
    return sentence


def _backfill(known: SyncJob, job: Mapping[str, Any], runs: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """Return how far a backfill is, and when it ends if it goes on like the runs of the last day."""
    start, reached = known.backfill_start, known.position.watermark
    # Replays and audits also read, but move nothing forward. Runs before a reset moved another backfill forward.
    since = job.get("resetAt") or start
    runs = [run for run in runs if run.get("mode") == BACKFILLING and run["startedAt"] >= since]
    recent = [run for run in runs if run["startedAt"] > now - MEASURED_OVER]
    worked = sum((_lasted(run, now) for run in recent), timedelta())
    before = next((run["watermark"] for run in runs[len(recent) :] if run.get("watermark")), start)
    covered = max(reached - before, timedelta())
    fetched = sum(run.get("fetched", 0) for run in recent)
    expected = now + (now - reached) / (covered / worked) if covered and worked else None
    return {
        "from": _iso(start),
        "share": min(max((reached - start) / max(now - start, timedelta(seconds=1)), 0.0), 1.0),
        "releases": job.get("totalFetched", 0),
        "releasesPerHour": round(fetched / (worked / timedelta(hours=1))) if worked else None,
        "expectedEnd": _iso(expected),
    }


def _lasted(run: Mapping[str, Any], now: datetime) -> timedelta:
    lasted: timedelta = (run.get("endedAt") or now) - run["startedAt"]
    return min(max(lasted, timedelta()), LONGEST_RUN)


def _run(run: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    error = run.get("error")
    texts = ("runId", "mode", "reason")
    return _fields(run, times=("startedAt", "endedAt"), texts=texts, counts=_RUN_COUNTS) | {
        "error": error and without_credentials(str(error)),
        "lastedSeconds": ((run.get("endedAt") or now) - run["startedAt"]).total_seconds(),
        "outcome": _outcome(run),
    }


def _outcome(record: Mapping[str, Any]) -> str:
    return str(record.get("outcome") or "running")


def _window(window: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return _fields(window, times=("from", "to"), counts=("pages",)) if window else None


def _audit(audit: Mapping[str, Any]) -> dict[str, Any]:
    counts = ("windowsChecked", "missing", "stale", "repaired")
    return _fields(audit, times=("startedAt", "endedAt", "from", "to"), counts=counts) | {
        "outcome": _outcome(audit),
        "named": [str(notice_id) for notice_id in audit.get("named", [])[:NAMED_SHOWN]],
    }


def _rejected(document: Mapping[str, Any]) -> dict[str, Any]:
    return _fields(document, texts=("reason", "runId")) | {
        "key": str(document["_id"]),
        "noticeId": document.get("noticeId"),
        "at": _iso(document.get("createdAt")),
        "window": _window(document.get("window")),
    }


def _fields(
    document: Mapping[str, Any], *, times: Iterable[str] = (), texts: Iterable[str] = (), counts: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the named fields of a document: times, texts without credentials, and counts, 0 where one is missing."""
    return {
        **{name: _iso(document.get(name)) for name in times},
        **{name: without_credentials(str(document.get(name) or "")) for name in texts},
        **{name: document.get(name, 0) for name in counts},
    }


def _raw_text(document: Mapping[str, Any]) -> str:
    if "raw" in document:
        return json.dumps(document["raw"], indent=2, ensure_ascii=False, default=str)
    if "rawZlib" not in document:
        return "nothing was kept"
    # Unpack no more than is shown. A character has at most four bytes.
    return zlib.decompressobj().decompress(document["rawZlib"], 4 * RAW_SHOWN + 4).decode(errors="replace")


def _stored(months: Sequence[Mapping[str, Any]], *, read: tuple[datetime, datetime], until: datetime) -> dict[str, Any]:
    """Return how many contracts are stored: in all, by stage, sector and month, and by day for the days up to `until`.

    A gap is a working day between the days of the two moments of `read` without a stored notice.
    """
    by_month = {document["month"]: document.get("contracts", 0) for document in months}
    days_of = {document["month"]: document.get("days", {}) for document in months}
    return {
        "contracts": sum(by_month.values()),
        "stages": _ranked(document.get("stages", {}) for document in months),
        "sectors": _ranked(document.get("sectors", {}) for document in months),
        "undated": by_month.pop(UNDATED, 0),
        "months": [{"month": month, "contracts": by_month[month]} for month in sorted(by_month) if by_month[month]],
        "days": [_day(until - timedelta(days=ago), days_of, read) for ago in range(DAYS_SHOWN - 1, -1, -1)],
    }


def _day(day: datetime, days_of: Mapping[str, Mapping[str, int]], read: tuple[datetime, datetime]) -> dict[str, Any]:
    contracts = days_of.get(f"{day:%Y-%m}", {}).get(f"{day:%d}", 0)
    gap = not contracts and read[0].date() < day.date() < read[1].date() and day.weekday() < _SATURDAY
    return {"day": f"{day:%Y-%m-%d}", "contracts": contracts, "gap": gap}


def _ranked(counts: Iterable[Mapping[str, int]]) -> list[dict[str, Any]]:
    """Add counts up by name, and return the largest first."""
    sums: Counter[str] = Counter()
    for each in counts:
        sums.update(each)
    ranked = sorted(sums.items(), key=lambda each: (-each[1], each[0]))
    return [{"name": name, "contracts": n} for name, n in ranked if n]


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
