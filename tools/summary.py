"""A table of what is in MongoDB now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tender_sync.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pymongo.database import Database

_STATUSES = ("OPEN", "CLOSED", "AWARDED", "CANCELLED")
_STAGES = ("PLANNING", "TENDER", "AWARD")
_TOP = 5


def summary(db: Database[dict[str, Any]]) -> str:
    """Return a table of contracts by source, status and stage, filled fields, sync jobs, and the largest buyers."""
    columns = [_column(db, source.name) for source in SOURCES.values()]
    lines = [f"  {'':<22}" + "".join(f"{source.title:>22}" for source in SOURCES.values())]
    lines += [f"  {name:<22}" + "".join(f"{column[name]:>22}" for column in columns) for name in columns[0]]
    return "\n".join([*lines, "", *_buyers(db)])


def _column(db: Database[dict[str, Any]], source: str) -> dict[str, str]:
    rows = list(db["contracts"].aggregate([{"$match": {"source": source}}, _GROUPED]))
    row: Mapping[str, Any] = rows[0] if rows else dict.fromkeys(_GROUPED["$group"], 0)
    job = db["syncJobs"].find_one({"source": source}) or {}
    totals = job.get("totals", {})
    counted = {
        "contracts": row["count"],
        **{f"  status {name}": row[name] for name in _STATUSES},
        **{f"  stage {name}": row[name] for name in _STAGES},
    }
    shares = {f"  with a {name}": row[name] / row["count"] if row["count"] else 0.0 for name in ("value", "CPV code")}
    worked = {
        "releases fetched": job.get("totalFetched", 0),
        "releases rejected": db["rejectedReleases"].count_documents({"source": source}),
        "requests": totals.get("requests", 0),
        "runs": db["syncRuns"].count_documents({"source": source}),
    }
    return {
        **{name: f"{count:,}" for name, count in counted.items()},
        **{name: f"{share:.0%}" for name, share in shares.items()},
        "sync job": job.get("status", "not begun"),
        "  complete from": job.get("backfillStartDate") or "",
        "  up to": job.get("lastSyncedDate") or "",
        **{name: f"{count:,}" for name, count in worked.items()},
    }


def _count_if(condition: Any) -> dict[str, Any]:
    return {"$sum": {"$cond": [condition, 1, 0]}}


_GROUPED: Mapping[str, Any] = {
    "$group": {
        "_id": None,
        "count": {"$sum": 1},
        **{name: _count_if({"$eq": ["$status", name]}) for name in _STATUSES},
        **{name: _count_if({"$eq": ["$stage", name]}) for name in _STAGES},
        "value": _count_if({"$or": [{"$ne": ["$valueMin", None]}, {"$ne": ["$valueMax", None]}]}),
        "CPV code": _count_if({"$ne": ["$cpvCodes", []]}),
    }
}


def _buyers(db: Database[dict[str, Any]]) -> Iterator[str]:
    top = list(db["buyers"].find().sort([("contractCount", -1), ("orgId", 1)]).limit(_TOP))
    yield f"  {db['buyers'].count_documents({}):,} buyers{'; those with the most contracts:' if top else ''}"
    for buyer in top:
        yield f"  {buyer['contractCount']:>6,}  {buyer['name']:<44.44} {buyer['orgId']}"
