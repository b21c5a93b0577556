"""What a source is: one frozen record of its API, its windows and its pace."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from datetime import datetime

    from tender_sync.windows import WindowRules


class Action(Enum):
    """What to do about an answer that is not a page."""

    RETRY = "ask again after a wait; when it keeps failing, read a smaller window next time"
    READ_AGAIN = "the cursor is refused: begin the window again, in smaller pieces"
    STOP = "stop the run; a person may have to look"


@dataclass(frozen=True)
class StatusRule:
    """What one HTTP status asks for, and the least wait in seconds where the answer names none."""

    action: Action
    wait: float | None = None


# 429, 503, 504: Find a Tender's documentation; the other 5xx are treated alike because nothing else helps there.
COMMON_STATUSES: Mapping[int, StatusRule] = {
    408: StatusRule(Action.RETRY),
    425: StatusRule(Action.RETRY),
    429: StatusRule(Action.RETRY, wait=120),
    **{status: StatusRule(Action.RETRY) for status in range(500, 600)},
}
# How long a cursor lives is documented nowhere: a refused one means that its window begins again.
_CURSOR_REFUSED: Mapping[int, StatusRule] = {s: StatusRule(Action.READ_AGAIN) for s in (400, 404, 410, 422)}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One publisher's OCDS release feed.

    `pace` is in seconds: `burst` requests may start in any `burst * pace` seconds. `notice_number` matches a release
    id, with the groups `number` and `year`; None where the source does not number its notices.
    """

    name: str
    title: str
    dag_id: str
    http_conn_id: str
    base_url: str
    path: str
    history_start: datetime
    pace: float
    burst: int
    windows: WindowRules
    notice_number: re.Pattern[str] | None = None
    # Windows of an audit: of another size than the sync's, so that what hid in those shows here.
    audit_span: timedelta = timedelta(hours=2)
    # An hourly sync that has not got through for this long needs a person.
    max_age: timedelta = timedelta(hours=3)
    statuses: Mapping[int, StatusRule] = field(default_factory=lambda: COMMON_STATUSES)

    def rule(self, status: int, *, with_cursor: bool) -> StatusRule:
        """Say what to do about `status`, which differs for a request that carried a cursor."""
        if with_cursor and status in _CURSOR_REFUSED:
            return _CURSOR_REFUSED[status]
        return self.statuses.get(status, StatusRule(Action.STOP))


LONDON = ZoneInfo("Europe/London")
UTC_ZONE = ZoneInfo("UTC")
