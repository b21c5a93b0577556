"""What the page reads from MongoDB. Every query uses an index and returns a bounded number of documents."""

from dataclasses import dataclass
from typing import Any

from tender_sync.connections import MongoDatabase
from tender_sync.sources.base import Source

_DESCENDING = -1
RUNS_SHOWN = 168  # a week of hourly runs
ERRORS_SHOWN = 5
REJECTED_SHOWN = 10
REJECTED_COUNTED = 1000  # counting goes no further than this
BUYERS_SHOWN = 12


@dataclass(frozen=True)
class SourceDocuments:
    """The documents of one source: lists newest first, None for a document that does not exist yet."""

    source: Source
    job: dict[str, Any] | None
    runs: list[dict[str, Any]]
    months: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    rejected_count: int
    audit: dict[str, Any] | None


def source_documents(db: MongoDatabase, source: Source) -> SourceDocuments:
    """Read what the page shows about `source`."""
    mine = {"source": source.name}
    errors = {"errorLog": {"$slice": -ERRORS_SHOWN}, "suspectWindows": {"$slice": -ERRORS_SHOWN}}
    rejected = db["rejectedReleases"]
    without_raw = {"raw": 0, "rawZlib": 0}
    return SourceDocuments(
        source,
        job=db["syncJobs"].find_one(mine, errors),
        runs=list(db["syncRuns"].find(mine).sort("startedAt", _DESCENDING).limit(RUNS_SHOWN)),
        months=list(db["syncStats"].find(mine).sort("month", _DESCENDING)),
        rejected=list(rejected.find(mine, without_raw).sort("createdAt", _DESCENDING).limit(REJECTED_SHOWN)),
        rejected_count=rejected.count_documents(mine, limit=REJECTED_COUNTED),
        audit=db["syncAudits"].find_one(mine, sort=[("startedAt", _DESCENDING)]),
    )


def busiest_buyers(db: MongoDatabase) -> list[dict[str, Any]]:
    """Read the buyers with most contracts."""
    fields = {"name": 1, "orgId": 1, "contractCount": 1}
    return list(db["buyers"].find({}, fields).sort("contractCount", _DESCENDING).limit(BUYERS_SHOWN))
