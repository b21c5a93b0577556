"""The arithmetic of windows: what is asked, where a page leads, and that nothing falls between two windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tender_sync.number_proof import notice_numbers
from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES
from tender_sync.sources.base import LONDON
from tender_sync.windows import (
    Distrusted,
    OpenWindow,
    PageEnd,
    ReadPosition,
    Recheck,
    TimeRange,
    after_page,
    close_window,
    first_query,
    halve_open_window,
    open_next_window,
    to_api_time,
)

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
both_sources = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
LAST = PageEnd(size=7, next_cursor=None)
FULL = PageEnd(size=100, next_cursor="n=1")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def position(source, *, span: timedelta | None = None, **fields) -> ReadPosition:
    return ReadPosition(watermark=START, next_span=span or source.windows.first_span, **fields)


def walk(source, position: ReadPosition, ceiling: datetime, *, look_back: bool = False) -> list[TimeRange]:
    """Read every window up to the ceiling, each ending well on its first page."""
    windows = []
    while opened := open_next_window(source.windows, position, ceiling, look_back=look_back):
        windows.append(opened.window)
        position = after_page(source.windows, opened, numbered(source, opened.window), (), ceiling)
    return windows


def numbered(source, window: TimeRange, *, without: Callable[[int], bool] = lambda _number: False) -> PageEnd:
    """One short page of a window of a history that has a notice every half hour, where the source has numbers."""
    if source.notice_number is None:
        return LAST
    first, last = (int((moment - START).total_seconds() // 1800) for moment in (window.start, window.end))
    ids = [f"{number:06d}-2026" for number in range(1000 + first, 1000 + last + 1) if not without(number)]
    return PageEnd(
        size=7, next_cursor=None, numbers=notice_numbers(source.notice_number, ({"id": each} for each in ids))
    )


def distrusted(after: ReadPosition | Distrusted) -> Distrusted:
    assert isinstance(after, Distrusted)
    return after


# --- opening windows


@both_sources
def test_windows_cover_everything_from_the_watermark_to_the_ceiling(source):
    ceiling = START + timedelta(days=40, seconds=17)
    windows = walk(source, position(source), ceiling)
    assert windows[0].start <= START
    assert windows[-1].end == ceiling
    for earlier, later in pairwise(windows):
        assert later.start == earlier.end - source.windows.overlap


@both_sources
def test_a_sync_looks_back_once_and_not_before_each_window(source):
    ceiling = START + 3 * source.windows.max_span
    windows = walk(source, position(source), ceiling, look_back=True)
    assert windows[0].start == START - source.windows.look_back
    assert all(later.start == earlier.end - source.windows.overlap for earlier, later in pairwise(windows))


@both_sources
def test_the_look_back_is_longer_than_the_hour_between_two_readings_of_a_clock(source):
    assert source.windows.look_back > HOUR


@both_sources
def test_nothing_is_opened_at_the_ceiling(source):
    assert open_next_window(source.windows, position(source), START, look_back=False) is None


# --- where a page leads


@both_sources
def test_a_next_link_leads_on_inside_the_window(source):
    opened = open_next_window(source.windows, position(source), START + HOUR, look_back=False)
    on = after_page(source.windows, opened, FULL, (), START + HOUR)
    assert (on.cursor, on.window.pages, on.watermark) == ("n=1", 1, START)


@both_sources
def test_a_short_last_page_closes_the_window_and_moves_the_watermark(source):
    opened = open_next_window(source.windows, position(source), START + HOUR, look_back=False)
    closed = after_page(source.windows, opened, LAST, (), START + HOUR)
    assert (closed.open_window, closed.cursor, closed.watermark) == (None, None, START + HOUR)


@both_sources
@pytest.mark.parametrize(
    ("page", "seen", "said"),
    [
        (PageEnd(100, None), (), "no next link"),
        (PageEnd(100, "n=1"), {"n=1"}, "already read"),
        (PageEnd(99, "n=1"), (), "releases may be hidden"),
        (PageEnd(0, "n=1"), (), "releases may be hidden"),
        (PageEnd(100, None, "leads elsewhere"), (), "leads elsewhere"),
        (PageEnd(3, None, "leads elsewhere"), (), "leads elsewhere"),
    ],
)
def test_an_unbelievable_page_is_read_again(source, page, seen, said):
    opened = open_next_window(source.windows, position(source), START + HOUR, look_back=False)
    assert said in distrusted(after_page(source.windows, opened, page, seen, START + HOUR)).reason


@both_sources
def test_a_window_deeper_than_the_limit_is_read_again(source):
    deep = position(
        source, open_window=OpenWindow(START, START + HOUR, pages=source.windows.max_pages - 1), cursor="n=9"
    )
    assert "deeper" in distrusted(after_page(source.windows, deep, FULL, (), START + HOUR)).reason


@both_sources
def test_a_short_page_with_more_is_followed_where_the_window_cannot_be_halved(source):
    tiny = position(source, open_window=OpenWindow(START, START + timedelta(seconds=2)))
    assert after_page(source.windows, tiny, PageEnd(5, "n=1"), (), START + HOUR).cursor == "n=1"


@both_sources
def test_the_watermark_never_passes_what_the_server_can_have_known(source):
    opened = open_next_window(source.windows, position(source), START + HOUR, look_back=False)
    server = START + HOUR / 2
    assert after_page(source.windows, opened, LAST, (), server).watermark == server
    later = after_page(source.windows, after_page(source.windows, opened, FULL, (), server), LAST, (), START + 9 * HOUR)
    assert later.watermark == server  # fixed by the first page, whenever the last one comes


@both_sources
def test_the_watermark_never_goes_back(source):
    behind = position(source, open_window=OpenWindow(START - 2 * HOUR, START - HOUR, pages=1))
    closed = close_window(source.windows, behind)
    assert (closed.watermark, closed.reached) == (START, START - HOUR)


# --- halving and growing


@both_sources
def test_a_halved_window_is_read_from_its_first_page_and_the_rest_follows(source):
    whole = position(source, span=HOUR, open_window=OpenWindow(START, START + HOUR, pages=3), cursor="n=4")
    half = halve_open_window(source.windows, whole)
    assert (half.open_window, half.cursor, half.next_span) == (OpenWindow(START, START + HOUR / 2), None, HOUR / 2)
    closed = after_page(source.windows, half, LAST, (), START + HOUR)
    rest = open_next_window(source.windows, closed, START + HOUR, look_back=False)
    assert rest.window == OpenWindow(START + HOUR / 2 - source.windows.overlap, START + HOUR)


@both_sources
def test_halving_ends_and_the_smallest_window_still_moves_on(source):
    small = position(source, open_window=OpenWindow(START - source.windows.overlap, START + source.windows.max_span))
    while (smaller := halve_open_window(source.windows, small)) is not None:
        small = smaller
    assert small.window.end > START
    assert small.window.end - small.window.start <= timedelta(seconds=3)


@both_sources
def test_windows_grow_again_while_they_fit(source):
    tiny = position(source, span=timedelta(seconds=1))
    spans = [window.end - window.start for window in walk(source, tiny, START + 8 * source.windows.max_span)]
    assert max(spans) >= source.windows.max_span
    assert all(span <= source.windows.max_span + source.windows.overlap for span in spans)


@both_sources
def test_a_window_that_held_more_than_wanted_makes_the_next_one_smaller_in_proportion(source):
    pages = source.windows.target_pages * 3 // 2
    deep = position(source, span=HOUR, open_window=OpenWindow(START, START + HOUR, pages=pages))
    assert close_window(source.windows, deep).next_span == HOUR * 2 / 3
    deepest = replace(deep, open_window=OpenWindow(START, START + HOUR, pages=10 * source.windows.target_pages))
    assert close_window(source.windows, deepest).next_span == HOUR / 2


# --- windows that must prove whole by their notice numbers

LONG = timedelta(hours=48)
RULES = FIND_A_TENDER.windows


def long_window(*, number: int | None = 2026_0001000) -> ReadPosition:
    window = OpenWindow(START, START + LONG)
    return ReadPosition(watermark=START, next_span=LONG, open_window=window, last_number=number)


def read_short_windows(position: ReadPosition, *, without: Callable[[int], bool]) -> ReadPosition:
    """Read on from the beginning of a recheck to its end."""
    ceiling = START + 9 * LONG
    while position.recheck is not None:
        opened = position if position.open_window else open_next_window(RULES, position, ceiling, look_back=False)
        assert opened.window.end - opened.window.start <= RULES.max_unproven_span + RULES.overlap
        position = after_page(RULES, opened, numbered(FIND_A_TENDER, opened.window, without=without), (), ceiling)
    return position


def test_a_long_window_whose_numbers_are_all_there_is_believed():
    closed = after_page(RULES, long_window(), numbered(FIND_A_TENDER, long_window().window), (), START + LONG)
    assert (closed.watermark, closed.last_number, closed.loses_releases) == (START + LONG, 2026_0001096, False)
    assert closed.next_span > LONG


def test_the_numbers_of_all_pages_of_a_long_window_are_taken_together():
    first, last = (
        PageEnd(size, cursor, numbers=frozenset(range(2026_0001001 + begin, 2026_0001049 + begin)))
        for size, cursor, begin in ((100, "n=1", 48), (48, None, 0))
    )
    halfway = after_page(RULES, long_window(), first, (), START + LONG)
    assert after_page(RULES, halfway, last, ("n=1",), START + LONG).watermark == START + LONG


def test_the_last_short_window_ends_where_the_recheck_does():
    """What lies beyond, the long window never had: counted too, the API would be caught at hiding what it did not."""
    doubtful = position(FIND_A_TENDER, reached=START, recheck=Recheck(START + 4 * HOUR, expected=8, span=LONG))
    opened = open_next_window(RULES, doubtful, START + LONG, look_back=False)
    assert opened.window.end == START + 4 * HOUR < START + RULES.max_unproven_span


@pytest.mark.parametrize(
    ("read", "page", "said"),
    [
        (long_window(), numbered(FIND_A_TENDER, long_window().window, without=lambda n: n % 10 == 3), "are missing"),
        (long_window(number=2026_0000990), numbered(FIND_A_TENDER, long_window().window), "9 of the 106 notice"),
        (long_window(number=None), numbered(FIND_A_TENDER, long_window().window), "no notice numbers"),
        (long_window(number=2026_0009999), numbered(FIND_A_TENDER, long_window().window), "no notice numbers"),
        (long_window(), LAST, "no notice numbers"),
    ],
    ids=["gaps", "gap before its first", "nothing to compare with", "numbers fell", "empty"],
)
def test_a_long_window_that_does_not_prove_whole_is_read_again_in_short_ones(read, page, said):
    doubt = distrusted(after_page(RULES, read, page, (), START + LONG))
    assert said in doubt.reason
    again = doubt.go_on_at
    assert again.window == OpenWindow(START, START + RULES.max_unproven_span)
    assert (again.cursor, again.watermark) == (None, START)
    assert again.recheck is None or again.recheck.end == START + LONG


def test_a_few_numbers_never_used_are_no_loss():
    page = numbered(FIND_A_TENDER, long_window().window, without=lambda n: n == 50)
    assert after_page(RULES, long_window(), page, (), START + LONG).watermark == START + LONG


def test_where_short_windows_find_no_more_long_ones_are_asked_for_again():
    gaps = lambda n: n % 10 == 3  # noqa: E731 - the same notices for both walks
    doubt = distrusted(
        after_page(
            RULES,
            long_window(),
            numbered(FIND_A_TENDER, long_window().window, without=gaps),
            (),
            START + LONG,
        )
    )
    settled = read_short_windows(doubt.go_on_at, without=gaps)
    assert (settled.watermark, settled.next_span, settled.loses_releases) == (START + LONG, LONG, False)


def test_where_short_windows_find_more_no_long_one_is_asked_for_again():
    page = numbered(FIND_A_TENDER, long_window().window, without=lambda n: n % 10 == 3)
    doubt = distrusted(after_page(RULES, long_window(), page, (), START + LONG))
    settled = read_short_windows(doubt.go_on_at, without=lambda _number: False)
    assert settled.loses_releases
    later = walk(FIND_A_TENDER, settled, START + 9 * LONG)
    assert max(window.span for window in later) <= RULES.max_unproven_span + RULES.overlap


def test_a_long_window_over_new_year_cannot_be_shown_to_be_whole():
    """Numbers begin anew, and where the old year's ended is not known: 300 of its notices may be missing, as here."""
    new_year = at("2026-12-31T00:00:00")
    read = replace(long_window(number=2026_0125000), open_window=OpenWindow(new_year, new_year + LONG))
    ids = [f"{n:06d}-2026" for n in range(125_001, 125_030)] + [f"{n:06d}-2027" for n in range(1, 5)]
    page = PageEnd(33, None, numbers=notice_numbers(FIND_A_TENDER.notice_number, ({"id": each} for each in ids)))
    doubt = distrusted(after_page(RULES, read, page, (), new_year + LONG))
    assert "a year ends in it" in doubt.reason
    assert doubt.go_on_at.recheck.expected == 33


def test_only_find_a_tender_has_numbers():
    odd = [{"id": "075962-2026"}, {"id": "75962"}, {"id": 7}, {}, None, "x", {"id": "075962-2026"}]
    assert notice_numbers(FIND_A_TENDER.notice_number, odd) == {2026_0075962}
    assert notice_numbers(CONTRACTS_FINDER.notice_number, odd) == frozenset()


# --- the API's own clock


def test_find_a_tender_is_asked_in_london_time():
    summer = TimeRange(at("2026-08-10T23:00:00"), at("2026-08-11T05:00:00"))
    assert parse_qs(first_query(FIND_A_TENDER.windows, summer)) == {
        "updatedFrom": ["2026-08-11T00:00:00"],
        "updatedTo": ["2026-08-11T06:00:00"],
        "limit": ["100"],
    }


def test_contracts_finder_is_asked_so_that_both_readings_of_its_clock_are_covered():
    summer = TimeRange(at("2026-08-10T23:00:00"), at("2026-08-11T05:00:00"))
    asked = parse_qs(first_query(CONTRACTS_FINDER.windows, summer))
    assert asked["publishedFrom"] == ["2026-08-10T23:00:00"]  # as UTC; an hour too early if read as London
    assert asked["publishedTo"] == ["2026-08-11T06:00:00"]  # as London; an hour too late if read as UTC


def test_in_winter_both_clocks_are_one():
    window = TimeRange(at("2026-01-10T23:00:00"), at("2026-01-11T05:00:00"))
    for source in SOURCES.values():
        asked = parse_qs(first_query(source.windows, window))
        assert asked[source.windows.from_param] == ["2026-01-10T23:00:00"]
        assert asked[source.windows.to_param] == ["2026-01-11T05:00:00"]


@pytest.mark.parametrize(
    ("moment", "said_from", "said_to"),
    [
        ("2026-10-24T23:59:59", "2026-10-25T00:59:59", "2026-10-25T00:59:59"),
        ("2026-10-25T00:00:00", "2026-10-25T00:59:59", "2026-10-25T02:00:00"),  # the first 01:00
        ("2026-10-25T01:30:00", "2026-10-25T00:59:59", "2026-10-25T02:00:00"),  # the second 01:30
        ("2026-10-25T02:00:00", "2026-10-25T02:00:00", "2026-10-25T02:00:00"),
        ("2026-03-29T00:59:59", "2026-03-29T00:59:59", "2026-03-29T00:59:59"),
        ("2026-03-29T01:00:00", "2026-03-29T02:00:00", "2026-03-29T02:00:00"),  # 01:00 to 02:00 never happens
    ],
)
def test_no_window_begins_or_ends_in_an_hour_that_happens_twice(moment, said_from, said_to):
    assert to_api_time(at(moment), (LONDON,), widen=min) == said_from
    assert to_api_time(at(moment), (LONDON,), widen=max) == said_to


moments = st.integers(0, 14 * 366 * 86400).map(lambda seconds: at("2016-01-01T00:00:00") + timedelta(seconds=seconds))
clock_changes = st.sampled_from(["2025-10-26", "2026-10-25", "2026-03-29", "2027-03-28"]).flatmap(
    lambda day: st.integers(-7200, 4 * 3600).map(lambda seconds: at(f"{day}T00:00:00") + timedelta(seconds=seconds))
)


@pytest.mark.parametrize("clocks", [(LONDON,), (UTC, LONDON), (UTC,)], ids=["london", "either", "utc"])
@given(moment=st.one_of(moments, clock_changes))
def test_what_is_said_covers_the_moment_however_it_is_read(clocks, moment):
    earliest = datetime.fromisoformat(to_api_time(moment, clocks, widen=min))
    latest = datetime.fromisoformat(to_api_time(moment, clocks, widen=max))
    for clock in clocks:
        for fold in (0, 1):
            assert earliest.replace(tzinfo=clock, fold=fold) <= moment.astimezone(clock)
            assert latest.replace(tzinfo=clock, fold=fold).astimezone(UTC) >= moment
            round_trip = earliest.replace(tzinfo=clock, fold=fold).astimezone(UTC).astimezone(clock)
            assert round_trip.replace(tzinfo=None) == earliest  # the local time exists


@both_sources
@given(data=st.data())
def test_any_mix_of_good_and_bad_ends_covers_the_range_without_a_gap(source, data):
    """Read windows of a made-up history to random ends; every second must lie in a window that ended well."""
    ceiling = START + timedelta(hours=data.draw(st.integers(1, 100)), seconds=data.draw(st.integers(0, 59)))
    look_back = data.draw(st.booleans())
    here, good, steps = position(source), [], 0
    while opened := open_next_window(source.windows, here, ceiling, look_back=look_back):
        here = opened
        while here.open_window is not None:
            steps += 1
            if steps > 500 or data.draw(st.integers(0, 3)):  # in the end all is well
                good.append(here.window)
                here = after_page(source.windows, here, LAST, (), ceiling)
            else:
                here = halve_open_window(source.windows, here) or here
        if data.draw(st.booleans()):
            here = replace(here, reached=None)  # a new run: it knows only what the job keeps
            look_back = look_back and steps < 500  # and does not look back for ever
    covered = START
    for window in sorted(good, key=lambda window: window.start):
        assert window.start <= covered, f"gap from {covered} to {window.start}"
        covered = max(covered, window.end)
    assert covered >= ceiling
    assert here.watermark == ceiling


def test_a_zone_that_never_changes_its_clock_is_said_as_it_is():
    assert to_api_time(at("2026-10-25T00:30:00"), (ZoneInfo("UTC"),), widen=min) == "2026-10-25T00:30:00"
