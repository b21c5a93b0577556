"""Waits within a run's time budget, logging each wait and renewing the lease."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from tender_sync.clock import Clock
from tender_sync.errors import FinishEarly
from tender_sync.run_meter import RunMeter
from tender_sync.run_outcome import Outcome

log = logging.getLogger(__name__)

# Seconds. Airflow kills a task 5 s after SIGTERM, so a request to stop must be noticed well within that.
_SLICE = 1.0
_RENEW_EVERY = 30.0
_LOG_FROM = 15.0


class RunBudget:
    """The time that one run has: until `deadline` (by `clock`), or until `stop_requested()` is true.

    `renew` keeps the lease alive; it is called through every long wait. `meter` counts the seconds waited.
    """

    def __init__(
        self,
        clock: Clock,
        deadline: datetime,
        *,
        renew: Callable[[], None],
        stop_requested: Callable[[], bool],
        meter: RunMeter | None = None,
    ) -> None:
        self._clock = clock
        self._deadline = deadline
        self.renew = renew
        self._stop_requested = stop_requested
        self._meter = meter or RunMeter()

    def check(self) -> None:
        """Return if the run may go on.

        :raises FinishEarly: the time budget is spent, or the task was told to stop
        """
        if self._stop_requested():
            raise FinishEarly(Outcome.TOLD_TO_STOP)
        if self._clock.now() >= self._deadline:
            raise FinishEarly(Outcome.TIME_BUDGET_SPENT)

    def wait(self, seconds: float, why: str) -> None:
        """Wait so long; `why` is for the log.

        :raises FinishEarly: the wait would outlast the time budget, or the task was told to stop
        """
        until = self._clock.now() + timedelta(seconds=seconds)
        if until > self._deadline:
            raise FinishEarly(Outcome.TIME_BUDGET_SPENT, f"{why} lasts until {until:%H:%M:%S} UTC")
        if seconds >= _LOG_FROM:
            log.info("waiting %.0f s, until %s UTC: %s", seconds, f"{until:%H:%M:%S}", why)
        # Counted by what is slept: the clock may be set meanwhile, and an hour without renewing would cost the lease.
        slept = renewed = 0.0
        while (left := seconds - slept) > 0:
            if self._stop_requested():
                raise FinishEarly(Outcome.TOLD_TO_STOP, f"while waiting: {why}")
            nap = min(left, _SLICE)
            self._clock.sleep(nap)
            self._meter.add(waitedSeconds=nap)
            slept += nap
            if slept - renewed >= _RENEW_EVERY:
                self.renew()
                renewed = slept
