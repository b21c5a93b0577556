"""The server's clock, which tests move by hand. What the package asks of a clock, it can do as well."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class ServerClock:
    """The server's time, in UTC.

    By default it is the real time plus `offset`. With `frozen_at` it stands still until `set` or `advance`. It is safe
    to use from several threads.
    """

    def __init__(self, offset: timedelta = timedelta(), *, frozen_at: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._offset = offset
        self._frozen = None if frozen_at is None else frozen_at.astimezone(UTC)

    def now(self) -> datetime:
        """Return the time, as an aware datetime in UTC."""
        with self._lock:
            return datetime.now(UTC) + self._offset if self._frozen is None else self._frozen

    def set(self, when: datetime) -> None:
        """Move to `when` (aware). A running clock runs on from there; a frozen one stays there."""
        with self._lock:
            if self._frozen is None:
                self._offset = when.astimezone(UTC) - datetime.now(UTC)
            else:
                self._frozen = when.astimezone(UTC)

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass: a running clock is waited for, a frozen one moves on at once."""
        if self._frozen is None:
            time.sleep(seconds)
        else:
            self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        """Move forward by `by`; a negative one moves back."""
        with self._lock:
            if self._frozen is None:
                self._offset += by
            else:
                self._frozen += by
