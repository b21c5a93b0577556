"""Dates of notices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tender_sync.mapping.dates import parse_date

CASES = {
    "2026-08-10T18:48:29+01:00": datetime(2026, 8, 10, 17, 48, 29, tzinfo=UTC),
    "2026-01-10T18:48:29Z": datetime(2026, 1, 10, 18, 48, 29, tzinfo=UTC),
    "2026-01-10t18:48:29z": datetime(2026, 1, 10, 18, 48, 29, tzinfo=UTC),
    "2026-08-10T18:48:29+00:00": datetime(2026, 8, 10, 18, 48, 29, tzinfo=UTC),
    "2026-08-10T18:48:29": datetime(2026, 8, 10, 17, 48, 29, tzinfo=UTC),  # London, summer
    "2026-01-10T18:48:29": datetime(2026, 1, 10, 18, 48, 29, tzinfo=UTC),  # London, winter
    "2026-08-10": datetime(2026, 8, 9, 23, tzinfo=UTC),
    " 2026-08-10T18:48Z ": datetime(2026, 8, 10, 18, 48, tzinfo=UTC),
    "2026-08-10T18:48:29.1239999Z": datetime(2026, 8, 10, 18, 48, 29, 123000, tzinfo=UTC),
    "2000-01-01T00:00:00Z": datetime(2000, 1, 1, tzinfo=UTC),
    "2099-12-31T23:59:59Z": datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
}
NONSENSE = [
    "0001-01-01T00:00:00",
    "0001-01-01T00:00:00+01:00",
    "1970-01-01T00:00:00Z",
    "1999-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    "9999-12-31T23:59:59-01:00",
    "20244-03-01T00:00:00Z",
    "2026-13-01",
    "2026-02-30T00:00:00Z",
    "31/03/2026",
    "soon",
    "",
    "-",
    None,
    0,
    1754836109,
    True,
    [],
    {},
]


@pytest.mark.parametrize(("written", "moment"), CASES.items(), ids=CASES)
def test_dates(written, moment):
    found = parse_date(written)
    assert found == moment
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize("written", NONSENSE, ids=repr)
def test_nonsense_is_no_date(written):
    assert parse_date(written) is None


def test_a_deadline_without_a_time_is_the_end_of_its_day_in_london():
    assert parse_date("2026-08-10", end_of_day=True) == datetime(2026, 8, 10, 22, 59, 59, tzinfo=UTC)
    assert parse_date("2026-08-10T12:00:00", end_of_day=True) == datetime(2026, 8, 10, 11, tzinfo=UTC)
