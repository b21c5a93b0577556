"""Counts of the stored contracts by day of publication, stage and sector, kept up in the transaction of each page.

The page in the Airflow UI shows them, and counting a million contracts takes seconds each time; these cost a page one
small update for every month its contracts were published in. `syncStats` holds one document a source and month:
`{source, month: "2026-06", contracts, days: {"03": n}, stages: {"TENDER": n}, sectors: {"Construction": n}}`, in UTC.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pymongo import UpdateOne

from tender_sync.storage.documents import read_contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from tender_sync.clock import Clock
    from tender_sync.sources.base import Source

log = logging.getLogger(__name__)

# What must be known of a stored contract to take it out of the counts again.
COUNTED_FIELDS: Mapping[str, int] = {"publishedDate": 1, "stage": 1, "sector": 1}
UNDATED = "undated"
NONE = "none"
# The years that can be written as a month and read back; dates of others count as none, as does what is no date.
_FIRST, _END = datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
# The `month` of the one document that says since when a source is counted.
MARK = "mark"


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
        """Count contracts as they are now and no longer as they were: pairs of before (None: new) and after."""
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

    def ensure_counted(self, clock: Clock) -> None:
        """Count contracts that were there before their counts were kept; at most once in a database's life."""
        if self._stats.find_one({"source": self._source.name, "month": MARK}) is None:
            self.recount(clock)

    def recount(self, clock: Clock) -> int:
        """Set every month's counts to what is stored; return how many months were wrong.

        Safe beside running syncs: each month is counted and written in a transaction of its own, which conflicts with
        any page that moves the same month's counts.
        """
        mine = {"source": self._source.name}
        dated = {"$and": [{"$gte": ["$publishedDate", _FIRST]}, {"$lt": ["$publishedDate", _END]}]}
        month = {"$dateToString": {"format": "%Y-%m", "date": "$publishedDate"}}
        by_month = {"$cond": [dated, month, UNDATED]}
        # Of all sources, from the index alone: to tell one's own all its contracts would be read at once, some 10 GB.
        found = self._contracts.aggregate([{"$group": {"_id": by_month}}], hint={"publishedDate": -1})
        months = {row["_id"] for row in found}
        months |= {document["month"] for document in self._stats.find(mine | {"month": {"$ne": MARK}}, {"month": 1})}
        with self._db.client.start_session() as session:
            wrong = sum(session.with_transaction(partial(self._recount, month)) for month in sorted(months))
        self._stats.update_one(mine | {"month": MARK}, {"$set": {"countedAt": clock.now()}}, upsert=True)
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
        self._stats.replace_one(key, key | _nested(counted), upsert=True, session=session)
        return True


def flat(document: Mapping[str, Any]) -> dict[str, int]:
    """Return a month's counts by path, such as `stages.TENDER`; zeros left out."""
    counts = {"contracts": document.get("contracts", 0)}
    for group in ("days", "stages", "sectors"):
        counts |= {f"{group}.{name}": n for name, n in document.get(group, {}).items()}
    return {path: n for path, n in counts.items() if n}


def _nested(counts: Mapping[str, int]) -> dict[str, Any]:
    nested: dict[str, Any] = {"days": {}, "stages": {}, "sectors": {}, "contracts": counts.get("contracts", 0)}
    for path, n in counts.items():
        group, _, name = path.partition(".")
        if name:
            nested[group][name] = n
    return nested


def _paths(contract: Mapping[str, Any]) -> list[str]:
    published = _published(contract)
    day = [f"days.{published:%d}"] if published else []
    return ["contracts", *day, f"stages.{_key(contract['stage'])}", f"sectors.{_key(contract['sector'])}"]


def _key(value: object) -> str:
    """Return a value as a field's name, in which MongoDB gives dot and dollar a meaning."""
    return str(value or NONE).replace(".", "_").replace("$", "_")


def _month(contract: Mapping[str, Any]) -> str:
    published = _published(contract)
    return f"{published:%Y-%m}" if published else UNDATED


def _published(contract: Mapping[str, Any]) -> datetime | None:
    published: datetime | None = contract["publishedDate"]
    return published.astimezone(UTC) if published and _FIRST <= published < _END else None


def _published_in(month: str, source: Source) -> dict[str, Any]:
    if month == UNDATED:
        # As two ranges, which the index of dates finds; for the complement of one, all contracts would be read.
        outside: list[Any] = [{"publishedDate": {"$not": {"$gte": _FIRST}}}, {"publishedDate": {"$gte": _END}}]
        return {"source": source.name, "$or": outside}
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return {"source": source.name, "publishedDate": {"$gte": first, "$lt": following}}
