"""The services' request limits, by the server's clock."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from .answer import Answer

TOO_MANY: Final = "Rate limit of 12 exceeded. Please retry after 120 seconds."
STOP_PAGE: Final = (
    "<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head><body><h1>Too many requests</h1>"
    "<p>Too many requests have been made: no further requests should be made until after 5 minutes.</p>"
    "</body></html>\n"
)


def too_many_requests(retry_after: str | None = "120") -> Answer:
    """Return Find a Tender's 429 as recorded from its load balancer: plain text, with Retry-After."""
    headers = (("Content-Type", "text/plain"),)
    wait = () if retry_after is None else (("Retry-After", retry_after),)
    return Answer(429, TOO_MANY.encode(), headers + wait)


def stop_for_five_minutes() -> Answer:
    """Return Contracts Finder's 403; its HTML body quotes the documentation."""
    return Answer(403, STOP_PAGE.encode(), (("Content-Type", "text/html"),))


class RollingLimit:
    """Allows `limit` requests in any `span` (Find a Tender: 12 in 120 seconds); refused ones do not count."""

    def __init__(self, limit: int = 12, span: timedelta = timedelta(seconds=120)) -> None:
        self.limit = limit
        self.span = span
        self._served: deque[datetime] = deque()

    def refuse(self, now: datetime) -> Answer | None:
        """Count a request at `now`, or refuse it."""
        while self._served and self._served[0] <= now - self.span:
            self._served.popleft()
        if len(self._served) >= self.limit:
            return too_many_requests()
        self._served.append(now)
        return None


class PenaltyLimit:
    """Refuses everything for `pause` after more than `limit` requests in `span`.

    Contracts Finder's real figures are not documented; 5 minutes is its documented pause.
    """

    def __init__(
        self,
        limit: int = 60,
        span: timedelta = timedelta(seconds=60),
        pause: timedelta = timedelta(minutes=5),
    ) -> None:
        self._rolling = RollingLimit(limit, span)
        self.pause = pause
        self._closed_until: datetime | None = None

    def refuse(self, now: datetime) -> Answer | None:
        """Count a request at `now`, or refuse it."""
        if self._closed_until is not None and now < self._closed_until:
            return stop_for_five_minutes()
        if self._rolling.refuse(now) is None:
            return None
        self._closed_until = now + self.pause
        return stop_for_five_minutes()
