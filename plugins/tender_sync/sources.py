"""The sources, as data: one frozen record each, every number beside the place it comes from.

A new source is one more `Source` in `SOURCES`, what its publisher does differently (`ocds._PUBLISHERS`), a DAG file
like the others and its rows in the parametrised tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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
_COMMON: Mapping[int, StatusRule] = {
    408: StatusRule(Action.RETRY),
    425: StatusRule(Action.RETRY),
    429: StatusRule(Action.RETRY, wait=120),
    **{status: StatusRule(Action.RETRY) for status in range(500, 600)},
}
# How long a cursor lives is documented nowhere: a refused one means that its window begins again.
_CURSOR_REFUSED: Mapping[int, StatusRule] = {s: StatusRule(Action.READ_AGAIN) for s in (400, 404, 410, 422)}

# Notice numbers begin at 1 every year; they are kept as year * NUMBERS_A_YEAR + number.
NUMBERS_A_YEAR = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Source:
    """One publisher's OCDS release feed, and how to walk it.

    `clocks` are the time zones in which the API may read a time without zone; windows are said so wide that every
    reading covers them. Spans and look-backs are durations. `burst` requests may start in any `burst * pace` seconds.
    Windows are sized to hold `aim_pages`. One longer than `believed_span` is believed only if its notices' numbers
    (`number`: groups number and year of a release id) leave no gaps; `max_span` is the longest ever asked for.
    """

    name: str
    title: str
    dag_id: str
    http_conn_id: str
    base_url: str
    path: str
    from_param: str
    to_param: str
    clocks: tuple[ZoneInfo, ...]
    history_start: datetime
    pace: float
    burst: int
    first_span: timedelta
    believed_span: timedelta
    max_span: timedelta
    aim_pages: int
    max_pages: int
    look_back: timedelta
    number: re.Pattern[str] | None = None
    page_size: int = 100
    # Two windows share this much, because whether an API's bounds are inclusive is documented nowhere.
    overlap: timedelta = timedelta(seconds=1)
    # Windows of an audit: of another size than the sync's, so that what hid in those shows here.
    audit_span: timedelta = timedelta(hours=2)
    # An hourly sync that has not got through for this long needs a person.
    max_age: timedelta = timedelta(hours=3)
    # The smallest unit both APIs can be asked for: their times have whole seconds.
    min_span: timedelta = timedelta(seconds=1)
    statuses: Mapping[int, StatusRule] = field(default_factory=lambda: _COMMON)

    def rule(self, status: int, *, with_cursor: bool) -> StatusRule:
        """Say what to do about `status`, which differs for a request that carried a cursor."""
        if with_cursor and status in _CURSOR_REFUSED:
            return _CURSOR_REFUSED[status]
        return self.statuses.get(status, StatusRule(Action.STOP))

    def numbers(self, releases: Iterable[Any]) -> frozenset[int]:
        """Return the notice numbers of `releases`, growing over the years; none where the source has none."""
        if self.number is None:
            return frozenset()
        ids = (release.get("id") for release in releases if isinstance(release, dict))
        found = (self.number.fullmatch(each) for each in ids if isinstance(each, str))
        return frozenset(int(met["year"]) * NUMBERS_A_YEAR + int(met["number"]) for met in found if met)


MONGO_CONN_ID = "tendhunt_mongo"
LONDON = ZoneInfo("Europe/London")
UTC_ZONE = ZoneInfo("UTC")

FIND_A_TENDER = Source(
    name="FIND_A_TENDER",
    title="Find a Tender",
    dag_id="find_a_tender",
    http_conn_id="find_a_tender_api",
    base_url="https://www.find-tender.service.gov.uk",
    # Never with `stages`: any value drops all Procurement Act notices and all updates (probed August 2026).
    path="/api/1.0/ocdsReleasePackages",
    from_param="updatedFrom",
    to_param="updatedTo",
    # Times are London local time, and a trailing Z is ignored (probed: the same 43 releases with and without).
    clocks=(LONDON,),
    history_start=datetime(2021, 1, 1, tzinfo=UTC),  # the service's first day
    # 12 requests in any 120 s (recorded 429: "Rate limit of 12 exceeded"), and 50 ms each for the network's jitter.
    pace=10.05,
    burst=12,
    # Kingfisher Collect met releases missing from long walks and went from one day to six hours (issues 1203, 1212).
    first_span=timedelta(hours=6),
    believed_span=timedelta(hours=6),
    # Notices are numbered as they are published, 075502-2026 to 075962-2026 on the recorded 10 August 2026: a longer
    # window that lost some shows it. Three days are a weekend; six pages a busy working day, met whole in August 2026.
    number=re.compile(r"(?P<number>\d{6})-(?P<year>\d{4})", re.ASCII),
    max_span=timedelta(days=3),
    aim_pages=6,
    max_pages=20,  # past that something is wrong with the walk
    # Two clean hours for late indexing; at the busiest they hold about one page.
    look_back=timedelta(hours=2),
)

CONTRACTS_FINDER = Source(
    name="CONTRACTS_FINDER",
    title="Contracts Finder",
    dag_id="contracts_finder",
    http_conn_id="contracts_finder_api",
    base_url="https://www.contractsfinder.service.gov.uk",
    path="/Published/Notices/OCDS/Search",  # `/Published/OCDS/Search` is a 404
    from_param="publishedFrom",
    to_param="publishedTo",
    # Whether a time without zone means UTC or London is documented nowhere: cover both.
    clocks=(UTC_ZONE, LONDON),
    history_start=datetime(2016, 11, 1, tzinfo=UTC),  # OCDS begins here (Kingfisher Collect)
    pace=10.05,  # undocumented; the other service's rate is a polite guess
    burst=12,  # far fewer than Kingfisher Collect makes, which knows no pace but one request at a time
    first_span=timedelta(days=1),
    believed_span=timedelta(days=15),  # Kingfisher Collect's window, in use for years
    max_span=timedelta(days=15),
    # 15 days are about 40 pages of 100; twice that is still one walk of a quarter of an hour.
    aim_pages=40,
    max_pages=80,
    audit_span=timedelta(days=1),
    look_back=timedelta(hours=2),  # more than the hour by which the two readings of its clock differ
    # "no further requests should be made until after 5 minutes" (its documentation, on a 403).
    statuses={**_COMMON, 403: StatusRule(Action.RETRY, wait=300)},
)

SOURCES: Mapping[str, Source] = {source.name: source for source in (FIND_A_TENDER, CONTRACTS_FINDER)}
