"""The record of every run: one document each in `syncRuns`, from its beginning to its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tender_sync.run_outcome import Outcome
from tender_sync.sources.base import Source


class SyncRuns:
    """The runs of `source`, of which `key` (its lease's token) is this one."""

    def __init__(self, db: Database[dict[str, Any]], source: Source, key: str) -> None:
        self._runs = db["syncRuns"]
        self._source = source
        self._key = key

    def begin(self, now: datetime, **facts: Any) -> None:
        """Begin this run's record; a run that was killed could not end its own, so that is done here."""
        self._runs.update_many(
            {"source": self._source.name, "endedAt": None}, {"$set": {"endedAt": now, "outcome": Outcome.DIED}}
        )
        record = {"_id": self._key, "source": self._source.name, "startedAt": now, "endedAt": None, "outcome": None}
        self._runs.insert_one(record | facts)

    def last_ended(self, run_id: str) -> dict[str, Any] | None:
        """Return the last record of an Airflow run that has ended; None without one."""
        ended = {"source": self._source.name, "runId": run_id, "endedAt": {"$ne": None}}
        return self._runs.find_one(ended, sort=[("startedAt", -1)])

    def add(self, counts: Mapping[str, int], session: ClientSession) -> None:
        """Add a page's counts."""
        self._runs.update_one({"_id": self._key}, {"$inc": dict(counts)}, session=session)

    def end(
        self, now: datetime, facts: Mapping[str, Any], counts: Mapping[str, int], session: ClientSession
    ) -> dict[str, Any] | None:
        """End this run's record with `facts` and `counts`, and return it."""
        ended = {"$set": {"endedAt": now, **facts}, "$inc": dict(counts)}
        record: dict[str, Any] | None = self._runs.find_one_and_update(
            {"_id": self._key}, ended, return_document=ReturnDocument.AFTER, session=session
        )
        return record
