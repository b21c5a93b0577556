"""The pace of requests to one API, shared by all tasks, runs and processes through MongoDB (`syncPace`)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pymongo import ReturnDocument
from pymongo.database import Database

from tender_sync.api.request_schedule import RequestLimit, RequestSchedule
from tender_sync.run_budget import RunBudget


class RequestSlots:
    """Reserves request starts for everybody who asks the same API: `burst` in any `burst * interval` seconds.

    A burst of 1 keeps requests `interval` seconds apart. A larger one makes up for a pause (the gap between two runs, a
    slow answer) as far as a rolling limit allows. MongoDB's clock decides, so hosts whose clocks differ keep the same
    pace. A crash between a reservation and its request leaves one start unused; no start is used twice.
    """

    def __init__(
        self, db: Database[dict[str, Any]], api: str, interval: float, budget: RunBudget, *, burst: int = 1
    ) -> None:
        self._slots = db["syncPace"]
        self._api = api
        self._limit = RequestLimit(burst, timedelta(seconds=interval * burst))
        self._budget = budget

    def wait_for_slot(self) -> None:
        """Reserve the next free start and wait for it.

        :raises FinishEarly: the start lies past the run's time budget, or the task was told to stop
        """
        now, schedule = self._change(lambda now, schedule: schedule.reserve(now, self._limit))
        seconds = (schedule.starts[-1] - now).total_seconds()
        if seconds > 0:
            self._budget.wait(seconds, f"the next request to {self._api}")

    def hold_off(self, seconds: float) -> None:
        """Let nobody ask this API for that many seconds (its Retry-After, or a back-off), at most an hour.

        Renews the lease. The five attempts for one page, a minute each without an answer, outlast the lease, and no
        wait between them is long enough to renew it.

        :raises SkipRun: another run has taken the lease
        """
        self._budget.renew()
        self._change(lambda now, schedule: schedule.hold_off(now, self._limit, seconds))

    def _change(
        self, change: Callable[[datetime, RequestSchedule], RequestSchedule]
    ) -> tuple[datetime, RequestSchedule]:
        """Change the stored schedule; return MongoDB's time and the new schedule.

        Compare and set: when another task was faster, its schedule is read and changed instead.
        """
        while True:
            read = self._slots.find_one_and_update(
                {"_id": self._api}, [{"$set": {"askedAt": "$$NOW"}}], upsert=True, return_document=ReturnDocument.AFTER
            )
            stored = read or {}  # never empty: it is an upsert
            starts, held_until = stored.get("starts"), stored.get("heldUntil")
            changed = change(stored["askedAt"], RequestSchedule(tuple(starts or ()), held_until))
            same = {"_id": self._api, "starts": starts, "heldUntil": held_until}
            new = {"starts": list(changed.starts), "heldUntil": changed.held_until}
            if self._slots.update_one(same, {"$set": new}).matched_count:
                return stored["askedAt"], changed
