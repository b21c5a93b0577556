"""Waiting that is said, that keeps the lease, and that ends when the run must."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tender_sync.errors import FinishEarly

if TYPE_CHECKING:
    from collections.abc import Callable

    from tender_sync.clock import Clock

log = logging.getLogger(__name__)

# Airflow kills a task 5 s after SIGTERM, so a stop must be noticed well within that.
_SLICE = 1.0
_RENEW_EVERY = 30.0
_WORTH_SAYING = 15.0


class RunBudget:
    """One run's waits and its end: `deadline` (by `clock`) and `stop_requested()` (told to stop).

    `renew` keeps the lease alive and is called through every long wait. `waited` sums the seconds spent waiting.
    """

    def __init__(
        self, clock: Clock, deadline: datetime, renew: Callable[[], None], stop_requested: Callable[[], bool]
    ) -> None:
        self._clock = clock
        self._deadline = deadline
        self.renew = renew
        self._stopping = stop_requested
        self.waited = 0.0

    def check(self) -> None:
        """Go on only if the run may.

        :raises FinishEarly: the time budget is spent, or the task was told to stop
        """
        if self._stopping():
            raise FinishEarly("told to stop")
        if self._clock.now() >= self._deadline:
            raise FinishEarly("time budget spent")

    def wait(self, seconds: float, why: str) -> None:
        """Wait, for a reason the log can show.

        :raises FinishEarly: the wait would outlast the time budget, or the task was told to stop
        """
        until = self._clock.now() + timedelta(seconds=seconds)
        if until > self._deadline:
            raise FinishEarly(f"time budget spent: {why} lasts until {until:%H:%M:%S} UTC")
        if seconds >= _WORTH_SAYING:
            log.info("waiting %.0f s, until %s UTC: %s", seconds, f"{until:%H:%M:%S}", why)
        # By what is slept: the clock may be set meanwhile, and an hour's silence would cost the lease.
        slept = renewed = 0.0
        while (left := seconds - slept) > 0:
            if self._stopping():
                raise FinishEarly(f"told to stop while waiting ({why})")
            nap = min(left, _SLICE)
            self._clock.sleep(nap)
            slept += nap
            if slept - renewed >= _RENEW_EVERY:
                self.renew()
                renewed = slept
        self.waited += slept
