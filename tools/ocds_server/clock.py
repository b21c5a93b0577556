"""The server's clock, which tests move by hand."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class ServerClock:
    """What the server takes for now, in UTC.

    By default it is the real time plus `offset`. Given `frozen_at` it stands still there until `set` or `advance`.
    Safe to use from several threads.
    """

    def __init__(self, offset: timedelta = timedelta(), *, frozen_at: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._offset = offset
        self._frozen = None if frozen_at is None else frozen_at.astimezone(UTC)

    def now(self) -> datetime:
        """Tell the time, as an aware datetime in UTC."""
        with self._lock:
            return datetime.now(UTC) + self._offset if self._frozen is None else self._frozen

    def set(self, when: datetime) -> None:
        """Move to `when` (aware). A running clock runs on from there; a frozen one stands there."""
        with self._lock:
            if self._frozen is None:
                self._offset = when.astimezone(UTC) - datetime.now(UTC)
            else:
                self._frozen = when.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Move forward (or, with a negative `by`, back)."""
        with self._lock:
            if self._frozen is None:
                self._offset += by
            else:
                self._frozen += by
