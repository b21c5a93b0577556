"""The pace of requests to one API, shared by all tasks, runs and processes through MongoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import ReturnDocument

if TYPE_CHECKING:
    from pymongo.database import Database

    from tender_sync.patience import Patience


class Pace:
    """Reserves request starts `interval` seconds apart, for everybody who talks to the same API.

    The slots are kept by MongoDB's own clock, so that hosts whose clocks differ still keep their distance. A crash
    between a reservation and its request leaves one slot unused, never one used twice.
    """

    def __init__(self, db: Database[dict[str, Any]], api: str, interval: float, patience: Patience) -> None:
        self._slots = db["syncPace"]
        self._api = api
        self._interval_ms = round(interval * 1000)
        self._patience = patience

    def await_turn(self) -> None:
        """Reserve the next free slot and wait for it.

        :raises EndRun: the slot lies past the run's time budget, or the task was told to stop
        """
        slot = {"$max": ["$$NOW", {"$ifNull": ["$nextFreeAt", "$$NOW"]}]}
        reserved = self._update(
            {"slot": slot, "askedAt": "$$NOW", "nextFreeAt": {"$add": [slot, self._interval_ms]}},
        )
        seconds = (reserved["slot"] - reserved["askedAt"]).total_seconds()
        if seconds > 0:
            self._patience.wait(seconds, f"the next request to {self._api}")

    def hold_off(self, seconds: float) -> None:
        """Keep everybody from asking this API for that many seconds (its Retry-After, or a back-off)."""
        until = {"$add": ["$$NOW", round(seconds * 1000)]}
        self._update({"nextFreeAt": {"$max": [until, {"$ifNull": ["$nextFreeAt", until]}]}})

    def _update(self, fields: dict[str, Any]) -> dict[str, Any]:
        document: dict[str, Any] | None = self._slots.find_one_and_update(
            {"_id": self._api}, [{"$set": fields}], upsert=True, return_document=ReturnDocument.AFTER
        )
        return document or {}
