"""Reads the dates of notices, as MongoDB and the web app hold them."""

import re
from datetime import UTC, date, datetime, time

from tender_sync.mapping.json_access import text
from tender_sync.sources.base import LONDON

# The oldest data is of 2014 (Contracts Finder) and dynamic markets run to 2039. Years outside this range are slips of
# the pen and broken parses (0001-01-01, 1970-01-01, year 20244).
_YEARS = range(2000, 2100)
_DATE_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}")


def parse_date(value: object, *, end_of_day: bool = False) -> datetime | None:
    """Return an ISO 8601 date as an aware UTC datetime cut to milliseconds; None where it is none, or its year is odd.

    A time without a zone is London time, as both publishers write (`Z` in winter, `+01:00` in summer). A date without a
    time is its midnight or, with `end_of_day`, its last second: the notices end their days at 23:59:59.
    """
    written = text(value)
    if written is None:
        return None
    try:
        if _DATE_ONLY.fullmatch(written):
            moment = datetime.combine(date.fromisoformat(written), time(23, 59, 59) if end_of_day else time())
        else:
            moment = datetime.fromisoformat(written.upper())
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=LONDON)
    # BSON dates count milliseconds; cutting here makes a contract equal to what is read back from MongoDB.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000).astimezone(UTC)
