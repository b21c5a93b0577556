"""The pace of requests to one API as a pure schedule: from its state and the time to the next slot and a new state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

LONGEST_HOLD_OFF = 3600.0  # seconds
# More tasks than ever wait for one API at once.
_MOST_WAITING = 10


@dataclass(frozen=True)
class RequestLimit:
    """At most `burst` requests start in any `period`."""

    burst: int
    period: timedelta


@dataclass(frozen=True)
class RequestSchedule:
    """When requests to one API start. All times are by one clock."""

    starts: tuple[datetime, ...] = ()  # the latest reserved starts, oldest first, as many as the limit's burst
    held_until: datetime | None = None  # no request starts before

    def reserve(self, now: datetime, limit: RequestLimit) -> RequestSchedule:
        """Reserve the next free slot; it is the last of the new `starts`."""
        known = self._without_future(now, limit)
        start = max(now, known.held_until or now)
        if len(known.starts) >= limit.burst:
            start = max(start, known.starts[-limit.burst] + limit.period)
        return replace(known, starts=(*known.starts, start)[-limit.burst :])

    def hold_off(self, now: datetime, limit: RequestLimit, seconds: float) -> RequestSchedule:
        """Let no request start for that many seconds. A shorter hold-off does not end a longer one."""
        known = self._without_future(now, limit)
        until = now + timedelta(seconds=seconds)
        return replace(known, held_until=max(until, known.held_until or until))

    def _without_future(self, now: datetime, limit: RequestLimit) -> RequestSchedule:
        """Correct what was written by a clock that has been set back since.

        Such starts lie further ahead than any reservation can: they count as made just now. Such a hold-off is over.
        """
        last_hold_off = now + timedelta(seconds=LONGEST_HOLD_OFF)
        starts, held_until = self.starts, self.held_until
        if starts and starts[-1] > last_hold_off + _MOST_WAITING * limit.period:
            starts = (now,) * limit.burst
        if held_until and held_until > last_hold_off:
            held_until = now
        return RequestSchedule(starts, held_until)
