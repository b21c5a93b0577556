"""Clocks that nobody waits for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tools.ocds_server import ServerClock


class SimulatedClock(ServerClock):
    """A clock that moves only when somebody sleeps on it; `slept` keeps every sleep in seconds."""

    def __init__(self, start: datetime = datetime(2026, 11, 2, 12, tzinfo=UTC)) -> None:
        super().__init__(frozen_at=start)
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        super().sleep(seconds)


class ClockAhead:
    """A clock that is always so much ahead of another one."""

    def __init__(self, clock: ServerClock, ahead: timedelta) -> None:
        self._clock = clock
        self._ahead = ahead

    def now(self) -> datetime:
        return self._clock.now() + self._ahead

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
