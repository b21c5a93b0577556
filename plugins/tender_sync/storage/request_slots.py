"""The pace of requests to one API, shared by all tasks, runs and processes through MongoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import ReturnDocument

if TYPE_CHECKING:
    from pymongo.database import Database

    from tender_sync.run_budget import RunBudget

LONGEST_HOLD_OFF = 3600.0  # seconds
# More tasks than ever wait for one API at once.
_MOST_WAITING = 10


class RequestSlots:
    """Reserves request starts for everybody who talks to the same API: `burst` in any `burst * interval` seconds.

    A burst of 1 keeps requests `interval` seconds apart; a larger one lets a pause (the gap between two runs, a slow
    answer) be made up for, as far as a rolling limit allows. The starts are kept by MongoDB's own clock, so that hosts
    whose clocks differ still obey. A crash between a reservation and its request leaves one start unused, never one
    used twice. Starts further ahead than can have been reserved are of a clock that has been set back since: they count
    as made just now.
    """

    def __init__(
        self, db: Database[dict[str, Any]], api: str, interval: float, budget: RunBudget, *, burst: int = 1
    ) -> None:
        self._slots = db["syncPace"]
        self._api = api
        self._burst = burst
        self._period_ms = round(interval * burst * 1000)
        self._patience = budget

    def wait_for_slot(self) -> None:
        """Reserve the next free start and wait for it.

        :raises FinishEarly: the start lies past the run's time budget, or the task was told to stop
        """
        # Missing where fewer were ever made: $max passes over it.
        burst_ago = {"$arrayElemAt": ["$starts", -self._burst]}
        slot = {"$max": ["$$NOW", "$heldUntil", {"$add": [burst_ago, self._period_ms]}]}
        reserved = self._update(
            {"slot": slot, "askedAt": "$$NOW"},
            {"starts": {"$slice": [{"$concatArrays": ["$starts", ["$slot"]]}, -self._burst]}},
        )
        seconds = (reserved["slot"] - reserved["askedAt"]).total_seconds()
        if seconds > 0:
            self._patience.wait(seconds, f"the next request to {self._api}")

    def hold_off(self, seconds: float) -> None:
        """Keep everybody from asking this API for that many seconds (its Retry-After, or a back-off), at most an hour.

        Renews the lease: the five tries of one page, a minute each without an answer, outlast it, and no wait between
        them is long enough to renew it.

        :raises SkipRun: the lease has been taken over
        """
        self._patience.renew()
        until = {"$add": ["$$NOW", round(seconds * 1000)]}
        self._update({"heldUntil": {"$max": [until, "$heldUntil"]}})

    def _update(self, *stages: dict[str, Any]) -> dict[str, Any]:
        starts, longest = {"$ifNull": ["$starts", []]}, round(LONGEST_HOLD_OFF * 1000)
        last = {"$add": ["$$NOW", longest + _MOST_WAITING * self._period_ms]}
        # Both true where there is none yet: null comes before any date.
        reserved = {"$lte": [{"$arrayElemAt": [starts, -1]}, last]}
        held = {"$lte": ["$heldUntil", {"$add": ["$$NOW", longest]}]}
        believed = {
            "starts": {"$cond": [reserved, starts, ["$$NOW"] * self._burst]},
            "heldUntil": {"$cond": [held, "$heldUntil", "$$NOW"]},
        }
        document: dict[str, Any] | None = self._slots.find_one_and_update(
            {"_id": self._api},
            [{"$set": fields} for fields in (believed, *stages)],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return document or {}
