"""Time ranges, windows and cursors: the next request, and where a page leaves the reading. Pure.

History is read in windows, forward in time, from the watermark to the run's ceiling. Times are aware UTC datetimes in
whole seconds. Only `to_api_time` knows that an API has another clock.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from urllib.parse import urlencode

from tender_sync.number_proof import NumberProof

STEP_OF_GROWTH = 1.25
_HIDDEN = "releases may be hidden"


@dataclass(frozen=True, kw_only=True)
class WindowRules:
    """How the history of a source is cut into windows, and how a window is asked of its API."""

    from_param: str
    to_param: str
    # In which the API may read a time without a zone. A request is so wide that every reading covers the window.
    clocks: tuple[tzinfo, ...]
    first_span: timedelta  # of the first window
    max_unproven_span: timedelta  # what is longer must be proved whole by its notice numbers (`number_proof`)
    max_span: timedelta  # the longest ever asked for
    target_pages: int  # what windows are sized to hold
    max_pages: int  # a window with so many is too deep
    look_back: timedelta  # syncing begins so long before the watermark, for what was listed late
    page_size: int = 100
    # Two windows share this much, because whether an API's bounds are inclusive is documented nowhere.
    overlap: timedelta = timedelta(seconds=1)
    # The smallest unit both APIs can be asked for: their times have whole seconds.
    min_span: timedelta = timedelta(seconds=1)


@dataclass(frozen=True)
class TimeRange:
    """From `start` to `end`."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%d %H:%M:%S}, {self.end:%Y-%m-%d %H:%M:%S}]"

    @property
    def span(self) -> timedelta:
        """The time from start to end."""
        return self.end - self.start


@dataclass(frozen=True)
class OpenWindow(TimeRange):
    """A time range that is being read from an API. It is complete only when a believable end was seen."""

    pages: int = 0  # read so far
    numbers: NumberProof = field(default_factory=NumberProof)  # the notice numbers on them


@dataclass(frozen=True)
class Recheck:
    """A long window that was not proved whole and is read again in short ones, up to its `end`."""

    end: datetime
    expected: int  # notice numbers that it held
    span: timedelta  # of windows at that time
    found: int = 0  # notice numbers in the short windows so far


@dataclass(frozen=True)
class ReadPosition:
    """Where reading stands. Everything up to `watermark` is stored."""

    watermark: datetime
    next_span: timedelta  # of the window after the open one
    open_window: OpenWindow | None = None  # what is being read
    cursor: str | None = None  # the query of its next page; None: its first page
    # How far the windows of this run have come, which in a look-back lies before the watermark; None before the first.
    reached: datetime | None = None
    last_number: int | None = None  # the notice number the last window ended with
    recheck: Recheck | None = None  # what is read again in short windows, if anything
    loses_releases: bool = False  # a long window has lost some; none is asked for again

    @property
    def window(self) -> OpenWindow:
        """The open window; to be asked for only where one is open."""
        if self.open_window is None:
            raise ValueError(f"no window is open at {self.watermark}: open one with open_next_window first")
        return self.open_window


@dataclass(frozen=True)
class PageEnd:
    """What decides how reading goes on after a page of `size` releases."""

    size: int
    next_cursor: str | None  # the query of its next link
    link_problem: str | None = None  # why that link cannot be used
    numbers: frozenset[int] = frozenset()  # its notice numbers


@dataclass(frozen=True)
class Distrusted:
    """A page that cannot be believed, and why. `go_on_at`: where to go on; None for the window's first half."""

    reason: str
    go_on_at: ReadPosition | None = None


def open_next_window(
    rules: WindowRules, position: ReadPosition, ceiling: datetime, *, look_back: bool
) -> ReadPosition | None:
    """Open the next window up to `ceiling`, or return None when nothing is left to read."""
    if position.reached is not None:
        known, start = position.reached, position.reached - rules.overlap
    elif look_back:
        known = start = position.watermark - rules.look_back
    else:
        known, start = position.watermark, position.watermark - rules.overlap
    end = min(known + position.next_span, ceiling)
    if position.recheck and known < position.recheck.end < end:
        end = position.recheck.end
    if known >= end:
        return None
    return replace(position, open_window=OpenWindow(start, end), cursor=None)


def first_query(rules: WindowRules, window: TimeRange) -> str:
    """Build the query string of a window's first page, in the API's own clock and so wide that nothing is left out."""
    bounds = {
        rules.from_param: to_api_time(window.start, rules.clocks, widen=min),
        rules.to_param: to_api_time(window.end, rules.clocks, widen=max),
        "limit": _full_page_size(rules, window),
    }
    return urlencode(bounds, safe=":")


def to_api_time(moment: datetime, clocks: tuple[tzinfo, ...], *, widen: Callable[[list[datetime]], datetime]) -> str:
    """Return `moment` as a local time without a zone, moved outwards until none of `clocks` can misread it.

    `widen` is min for a start and max for an end. A local time that happens twice (the autumn hour) or never (the
    spring hour) is left for the edge of its hour.
    """
    return _widened(moment, clocks, widen).isoformat(timespec="seconds")


def _widened(moment: datetime, clocks: tuple[tzinfo, ...], widen: Callable[[list[datetime]], datetime]) -> datetime:
    local = widen([moment.astimezone(clock).replace(tzinfo=None) for clock in clocks])
    while any(_is_ambiguous(local, clock) for clock in clocks):
        hour = local.replace(minute=0, second=0)
        local = hour - timedelta(seconds=1) if widen is min else hour + timedelta(hours=1)
    return local


def _is_ambiguous(local: datetime, clock: tzinfo) -> bool:
    earlier, later = (local.replace(tzinfo=clock, fold=fold).utcoffset() for fold in (0, 1))
    return earlier != later


def after_page(
    rules: WindowRules, position: ReadPosition, page: PageEnd, followed: Collection[str], ceiling: datetime
) -> ReadPosition | Distrusted:
    """Return where a page leaves the reading: further inside its window, past its end, or distrusted.

    `followed` are the cursors already followed in this window. The watermark moves only when the window closes, and
    never back. `ceiling` is the latest moment that the first page can know of; the window ends there at most.
    """
    window = position.window
    if reason := page.link_problem or _unbelievable_end(rules, window, page, followed):
        return Distrusted(reason)
    numbers = window.numbers.with_page(page.numbers, after=position.last_number)
    end = window.end if window.pages else min(window.end, ceiling)
    read = OpenWindow(window.start, end, window.pages + 1, numbers)
    further = replace(position, open_window=read, cursor=page.next_cursor)
    if page.next_cursor is not None:
        return further
    if read.span > rules.max_unproven_span + rules.overlap and (gap := numbers.gap(after=position.last_number)):
        reason = f"a window of more than {rules.max_unproven_span} is not proved whole ({gap}): {_HIDDEN}"
        return Distrusted(reason, _recheck(rules, position, read))
    return close_window(rules, further)


def _unbelievable_end(rules: WindowRules, window: OpenWindow, page: PageEnd, followed: Collection[str]) -> str | None:
    if page.next_cursor is None:
        if page.size >= _full_page_size(rules, window):
            return f"a full page of {page.size} has no next link: the walk may have been cut short"
        return None
    if page.next_cursor in followed:
        return "the next link leads back to a page of this window already read"
    if page.size < rules.page_size and _first_half(rules, window):
        return f"a page of {page.size} (a full one has {rules.page_size}) links to more: {_HIDDEN}"
    if window.pages + 1 >= rules.max_pages:
        return f"the window is deeper than {rules.max_pages} pages"
    return None


def _full_page_size(rules: WindowRules, window: TimeRange) -> int:
    """Return the page size to ask for: one release fewer in the smallest windows, where halving cannot help any more.

    There a last page that happens to be full is followed by one more page.
    """
    return rules.page_size if _first_half(rules, window) else rules.page_size - 1


def _recheck(rules: WindowRules, position: ReadPosition, read: OpenWindow) -> ReadPosition:
    """Begin to read a window again in short ones that need no proof."""
    return replace(
        position,
        next_span=rules.max_unproven_span,
        open_window=OpenWindow(read.start, read.start + rules.max_unproven_span),
        cursor=None,
        recheck=Recheck(read.end, read.numbers.count, position.next_span) if read.numbers.count else None,
    )


def close_window(rules: WindowRules, position: ReadPosition) -> ReadPosition:
    """Close the open window: the watermark moves to its end, and what it held decides the size of the next.

    At the end of a recheck: if the short windows found no more than the long one had, that one was whole after all.
    """
    window, recheck = position.window, position.recheck
    span, loses_releases = _next_span(rules, position), position.loses_releases
    if recheck is not None:
        recheck = replace(recheck, found=recheck.found + window.numbers.count)
        if window.end >= recheck.end:
            loses_releases = loses_releases or recheck.found > recheck.expected
            span, recheck = (span if loses_releases else recheck.span), None
    return ReadPosition(
        watermark=max(position.watermark, window.end),
        next_span=span,
        reached=window.end,
        last_number=window.numbers.highest or position.last_number,
        recheck=recheck,
        loses_releases=loses_releases,
    )


def _next_span(rules: WindowRules, position: ReadPosition) -> timedelta:
    """Return the next window's size, for `target_pages`; it grows fast up to what needs no proof, then more slowly."""
    window, span = position.window, position.next_span
    if window.pages > rules.target_pages:
        return _whole_seconds(max(span * rules.target_pages / window.pages, span / 2))
    if span < rules.max_unproven_span and window.pages * 4 <= rules.target_pages:
        return min(span * 2, rules.max_unproven_span)
    provable = window.numbers.highest is not None and position.recheck is None and not position.loses_releases
    return min(_whole_seconds(span * STEP_OF_GROWTH), rules.max_span if provable else rules.max_unproven_span)


def halve_open_window(rules: WindowRules, position: ReadPosition) -> ReadPosition | None:
    """Halve the open window, to be read from its first page; None when it is as small as the API can be asked.

    A window of a size that needs proof is cut down to one that needs none.
    """
    half = _first_half(rules, position.window)
    if half is None:
        return None
    return replace(position, next_span=max(half.span, rules.min_span), open_window=half, cursor=None)


def restart_open_window(position: ReadPosition) -> ReadPosition:
    """Go back to the first page of the open window; its pages and notice numbers are counted anew."""
    return replace(position, open_window=OpenWindow(position.window.start, position.window.end), cursor=None)


def _first_half(rules: WindowRules, window: TimeRange) -> OpenWindow | None:
    """Return the first half of a window; None for one so small that its half would be asked for hardly less.

    That is a second or two. Where clocks leave an hour open, as Contracts Finder's do all summer, it is an hour: halved
    down to seconds, whatever the API fails at would be in each of the hour's two thousand windows.
    """
    half = timedelta(seconds=window.span.total_seconds() // 2)
    widening = _widened(window.start, rules.clocks, max) - _widened(window.start, rules.clocks, min)
    if half <= rules.overlap or window.span <= widening:
        return None
    return OpenWindow(window.start, window.start + min(half, rules.max_unproven_span))


def _whole_seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=math.ceil(span.total_seconds()))
