"""Time as something handed in: the real clock here, simulated ones in tests."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What may be asked of time."""

    def now(self) -> datetime:
        """Return the present moment as an aware UTC datetime."""

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present moment as an aware UTC datetime."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        time.sleep(seconds)
