"""Counts the stored contracts by day of publication, stage and sector, in the transaction of each page.

The page in the Airflow UI shows these counts. Counting a million contracts takes seconds each time; keeping the counts
costs a page one small update for every month its contracts were published in. `syncStats` holds one document a source
and month:
`{source, month: "2026-06", contracts, days: {"03": n}, stages: {"TENDER": n}, sectors: {"Construction": n}}`, in UTC.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bson.regex import Regex
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tender_sync.sources.base import Source
from tender_sync.storage.documents import read_contract

log = logging.getLogger(__name__)

# The fields of a stored contract that are needed to take it out of the counts again.
COUNTED_FIELDS: Mapping[str, int] = {"publishedDate": 1, "stage": 1, "sector": 1}
UNDATED = "undated"
# The years that can be written as a month and read back. A date of another year counts as none.
_FIRST, _END = datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_MONTHS = Regex(rf"^(\d{{4}}-(0[1-9]|1[0-2])|{UNDATED})$")


class ContractCounts:
    """The counts of one source in `db`; over all months they add up to the number of its contracts."""

    def __init__(self, db: Database[dict[str, Any]], source: Source) -> None:
        self._db = db
        self._contracts = db["contracts"]
        self._stats = db["syncStats"]
        self._source = source

    def move(
        self, changes: Iterable[tuple[Mapping[str, Any] | None, Mapping[str, Any]]], session: ClientSession
    ) -> None:
        """Count contracts as they are now, and no longer as they were: pairs of before (None if new) and after."""
        moves: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for before, after in changes:
            moves[_month(after)].update(_paths(after))
            if before is not None:
                moves[_month(before)].subtract(_paths(before))
        updates = [
            UpdateOne({"source": self._source.name, "month": month}, {"$inc": changed}, upsert=True)
            for month, moved in moves.items()
            if (changed := {path: by for path, by in moved.items() if by})
        ]
        if updates:
            self._stats.bulk_write(updates, ordered=False, session=session)

    def recount(self) -> int:
        """Set every month's counts to what is stored; return how many months were wrong.

        Safe beside running syncs: each month is counted and written in its own transaction, which conflicts with any
        page that changes the same month's counts. A document of no month, such as the mark of an older version, goes.
        """
        mine = {"source": self._source.name}
        dated = {"$and": [{"$gte": ["$publishedDate", _FIRST]}, {"$lt": ["$publishedDate", _END]}]}
        by_month = {"$cond": [dated, {"$dateToString": {"format": "%Y-%m", "date": "$publishedDate"}}, UNDATED]}
        # The months of all sources, from the index alone. Those of one source would need all its contracts, some 10 GB.
        found = self._contracts.aggregate([{"$group": {"_id": by_month}}], hint={"publishedDate": -1})
        months = {row["_id"] for row in found}
        self._stats.delete_many(mine | {"month": {"$not": _MONTHS}})
        months |= {document["month"] for document in self._stats.find(mine, {"month": 1})}
        with self._db.client.start_session() as session:
            wrong = sum(session.with_transaction(partial(self._recount, month)) for month in sorted(months))
        if wrong:
            log.info("%s: contracts counted by day, stage and sector: %d months", self._source.title, wrong)
        return wrong

    def _recount(self, month: str, session: ClientSession) -> bool:
        counted: Counter[str] = Counter()
        grouped: dict[str, Any] = {name: f"${name}" for name in ("stage", "sector")}
        if month != UNDATED:
            grouped["publishedDate"] = {"$dateTrunc": {"date": "$publishedDate", "unit": "day"}}
        pipeline = [{"$match": _published_in(month, self._source)}, {"$group": {"_id": grouped, "n": {"$sum": 1}}}]
        for row in self._contracts.aggregate(pipeline, session=session):
            for path in _paths(read_contract(row["_id"])):
                counted[path] += row["n"]
        key = {"source": self._source.name, "month": month}
        kept = self._stats.find_one(key, session=session)
        if Counter(flat(kept or {})) == counted:
            return False
        self._stats.replace_one(key, key, upsert=True, session=session)
        self._stats.update_one(key, {"$inc": counted}, session=session)
        return True


def flat(document: Mapping[str, Any]) -> dict[str, int]:
    """Return a month's counts by path, such as `stages.TENDER`; zeros left out."""
    counts = {"contracts": document.get("contracts", 0)}
    for group in ("days", "stages", "sectors"):
        counts |= {f"{group}.{name}": n for name, n in document.get(group, {}).items()}
    return {path: n for path, n in counts.items() if n}


def _paths(contract: Mapping[str, Any]) -> list[str]:
    published = _published(contract)
    day = [f"days.{published:%d}"] if published else []
    return ["contracts", *day, f"stages.{_key(contract['stage'])}", f"sectors.{_key(contract['sector'])}"]


def _key(value: object) -> str:
    """Return a value as the name of a field. MongoDB gives dot and dollar a meaning there, so they are replaced."""
    return str(value or "none").replace(".", "_").replace("$", "_")


def _month(contract: Mapping[str, Any]) -> str:
    published = _published(contract)
    return f"{published:%Y-%m}" if published else UNDATED


def _published(contract: Mapping[str, Any]) -> datetime | None:
    published: datetime | None = contract["publishedDate"]
    return published.astimezone(UTC) if published and _FIRST <= published < _END else None


def _published_in(month: str, source: Source) -> dict[str, Any]:
    if month == UNDATED:
        # Two ranges, which the index of dates finds. For the complement of one range all contracts would be read.
        outside: list[Any] = [{"publishedDate": {"$not": {"$gte": _FIRST}}}, {"publishedDate": {"$gte": _END}}]
        return {"source": source.name, "$or": outside}
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return {"source": source.name, "publishedDate": {"$gte": first, "$lt": following}}
