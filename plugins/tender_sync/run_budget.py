"""Waits within a run's time budget, logging each wait and renewing the lease."""

import logging
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
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


@dataclass
class RunBudget:
    """The time that one run has: until `deadline` (by `clock`), or until `stop_requested()` is true."""

    clock: Clock
    deadline: datetime
    _: KW_ONLY
    renew: Callable[[], None]  # keeps the lease alive; called through every long wait
    stop_requested: Callable[[], bool]
    meter: RunMeter = field(default_factory=RunMeter)  # counts the seconds waited

    def check(self) -> None:
        """Return if the run may go on.

        :raises FinishEarly: the time budget is spent, or the task was told to stop
        """
        if self.stop_requested():
            raise FinishEarly(Outcome.TOLD_TO_STOP)
        if self.clock.now() >= self.deadline:
            raise FinishEarly(Outcome.TIME_BUDGET_SPENT)

    def wait(self, seconds: float, why: str) -> None:
        """Wait so long; `why` is for the log.

        :raises FinishEarly: the wait would outlast the time budget, or the task was told to stop
        """
        until = self.clock.now() + timedelta(seconds=seconds)
        if until > self.deadline:
            raise FinishEarly(Outcome.TIME_BUDGET_SPENT, f"{why} lasts until {until:%H:%M:%S} UTC")
        if seconds >= _LOG_FROM:
            log.info("waiting %.0f s, until %s UTC: %s", seconds, f"{until:%H:%M:%S}", why)
        # Counted by what is slept: the clock may be set meanwhile, and an hour without renewing would cost the lease.
        slept = renewed = 0.0
        while (left := seconds - slept) > 0:
            if self.stop_requested():
                raise FinishEarly(Outcome.TOLD_TO_STOP, f"while waiting: {why}")
            nap = min(left, _SLICE)
            self.clock.sleep(nap)
            self.meter.add(waitedSeconds=nap)
            slept += nap
            if slept - renewed >= _RENEW_EVERY:
                self.renew()
                renewed = slept
