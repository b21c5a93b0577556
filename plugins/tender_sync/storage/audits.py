"""The record of every completeness audit: one document each in `syncAudits`."""

from datetime import datetime
from typing import Any

from pymongo.database import Database

from tender_sync.run_outcome import Outcome
from tender_sync.sources.base import Source
from tender_sync.windows import TimeRange

NAMED_AT_MOST = 50
COUNTERS = ("windowsChecked", "missing", "stale", "repaired", "requests", "suspect")
_LATEST = [("startedAt", -1)]


class Audits:
    """The audits of `source`. One run at a time works on them: the holder of the source's lease."""

    def __init__(self, db: Database[dict[str, Any]], source: Source) -> None:
        self._audits = db["syncAudits"]
        self._source = source
        self._key: Any = None

    def begin(self, time_range: TimeRange, now: datetime, **facts: Any) -> list[str]:
        """Begin the record of an audit of `time_range`; return the notice ids that an earlier one has already found.

        What an audit that failed or died had found and repaired is carried over: it is in now, and nobody was told.
        """
        mine = {"source": self._source.name}
        self._audits.update_many(mine | {"endedAt": None}, {"$set": {"endedAt": now, "outcome": Outcome.DIED}})
        record: dict[str, Any] = {
            **mine,
            "from": time_range.start,
            "to": time_range.end,
            "startedAt": now,
            "endedAt": None,
            "outcome": None,
            "reached": time_range.start,
            "named": [],
            **dict.fromkeys(COUNTERS, 0),
            **facts,
        }
        before = self._audits.find_one(mine, sort=_LATEST)
        if before and before["outcome"] in {Outcome.FAILED, Outcome.DIED} and before["repair"]:
            record |= {name: before[name] for name in ("missing", "stale", "repaired", "named")}
        self._key = self._audits.insert_one(record).inserted_id
        return list(record["named"])

    def add(self, counts: dict[str, int], named: list[str]) -> None:
        """Add what a page was found to lack; the first notice ids are kept by name."""
        kept = {"named": {"$each": named, "$slice": NAMED_AT_MOST}}
        self._audits.update_one({"_id": self._key}, {"$inc": counts, "$push": kept})

    def end(self, outcome: Outcome, now: datetime, **facts: Any) -> dict[str, Any]:
        """End the record, and return it."""
        self._audits.update_one({"_id": self._key}, {"$set": {"endedAt": now, "outcome": outcome, **facts}})
        return self._audits.find_one({"_id": self._key}) or {}

    def unread_since(self) -> datetime | None:
        """Return up to where the last audit that was due has read, if it ended early.

        One of a range that somebody asked for does not count: after a range of years, the last week would never be due.
        """
        last = self._audits.find_one({"source": self._source.name, "asked": {"$ne": True}}, sort=_LATEST)
        reached: datetime | None = last["reached"] if last and last["outcome"] != Outcome.DONE else None
        return reached
