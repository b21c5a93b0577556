"""Stand-ins for time, so that nothing waits in a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SimulatedClock:
    """A clock that moves only when somebody sleeps on it; `slept` keeps every sleep in seconds."""

    def __init__(self, start: datetime = datetime(2026, 11, 2, 12, tzinfo=UTC)) -> None:
        self.moment = start
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)
