"""Pure arithmetic of windows and cursors: the next request, and where a page leaves the source.

Windows go forward in time from the watermark to the run's ceiling; `after_page` moves through one, `halve_open_window`
halves one that could not be believed. Times are aware UTC datetimes in whole seconds; only `to_api_time` knows that an
API has another clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from tender_sync.errors import ReadAgain
from tender_sync.sources.base import NUMBERS_A_YEAR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from zoneinfo import ZoneInfo

    from tender_sync.sources.base import Source

# Of the 461 numbers of the recorded 10 August 2026 two were never published. Kingfisher's losses were many times that.
ONE_NUMBER_UNUSED_IN = 50
STEP_OF_GROWTH = 1.25
_HIDDEN = "releases may be hidden"


@dataclass(frozen=True)
class TimeRange:
    """From `start` to `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class OpenWindow(TimeRange):
    """A time range being read from an API. It is complete only when a believable end was seen.

    `pages` counts those read so far, `held` the notice numbers on them that are new, `top` is the highest of these.
    """

    pages: int = 0
    held: int = 0
    top: int | None = None


@dataclass(frozen=True)
class Doubt:
    """A long window that did not prove whole and is being read again in short ones, up to its `end`.

    It held `held` notice numbers; the short ones have `found` that many so far. `span` was the size of windows then.
    """

    end: datetime
    held: int
    span: timedelta
    found: int = 0


@dataclass(frozen=True)
class ReadPosition:
    """Where a source is.

    `watermark`: all up to here is committed. `window` and `cursor`: the open window and how to go on inside it (null:
    its first page). `span`: the size of the next window. `reached`: how far this run's windows have come, which in a
    look-back lies behind the watermark; None before the first. `number`: the notice number the last window ended with.
    `doubt`: what is being read again, if anything. `lossy`: a long window has lost releases; none is asked for again.
    """

    watermark: datetime
    span: timedelta
    window: OpenWindow | None = None
    cursor: str | None = None
    reached: datetime | None = None
    number: int | None = None
    doubt: Doubt | None = None
    lossy: bool = False


@dataclass(frozen=True)
class PageEnd:
    """What decides how a walk goes on after a page: how much it held, what it links to, and what is odd about that.

    `numbers` are the notice numbers on it (`Source.numbers`).
    """

    size: int
    next_cursor: str | None
    doubt: str | None = None
    numbers: frozenset[int] = frozenset()


def open_window(source: Source, position: ReadPosition, ceiling: datetime, *, look_back: bool) -> ReadPosition | None:
    """Open the next window up to `ceiling`, or return None when there is nothing left to read."""
    if position.reached is not None:
        known, start = position.reached, position.reached - source.overlap
    elif look_back:
        known = start = position.watermark - source.look_back
    else:
        known, start = position.watermark, position.watermark - source.overlap
    end = min(known + position.span, ceiling)
    if position.doubt and known < position.doubt.end < end:
        end = position.doubt.end
    if known >= end:
        return None
    return replace(position, window=OpenWindow(start, end), cursor=None)


def first_query(source: Source, window: TimeRange) -> str:
    """Build the query string of a window's first page, in the API's own clock and so wide that nothing is left out."""
    bounds = {
        source.from_param: to_api_time(window.start, source.clocks, widen=min),
        source.to_param: to_api_time(window.end, source.clocks, widen=max),
        "limit": _full(source, window),
    }
    return urlencode(bounds, safe=":")


def to_api_time(moment: datetime, clocks: tuple[ZoneInfo, ...], *, widen: Callable[[list[datetime]], datetime]) -> str:
    """Say `moment` as local time, moved outwards (`widen`: min or max) until no clock can misread it.

    A local time that happens twice (the autumn hour) or never (the spring hour) is left for the edge of its hour.
    """
    return _local(moment, clocks, widen).isoformat(timespec="seconds")


def _local(moment: datetime, clocks: tuple[ZoneInfo, ...], widen: Callable[[list[datetime]], datetime]) -> datetime:
    local = widen([moment.astimezone(clock).replace(tzinfo=None) for clock in clocks])
    while any(_unclear(local, clock) for clock in clocks):
        hour = local.replace(minute=0, second=0)
        local = hour - timedelta(seconds=1) if widen is min else hour + timedelta(hours=1)
    return local


def _unclear(local: datetime, clock: ZoneInfo) -> bool:
    earlier, later = (local.replace(tzinfo=clock, fold=fold).utcoffset() for fold in (0, 1))
    return earlier != later


def after_page(
    source: Source, position: ReadPosition, page: PageEnd, seen: Collection[str], ceiling: datetime
) -> ReadPosition:
    """Say where a page leaves the source: further inside its window, or past its end.

    `seen` are the cursors already followed in this window. The watermark moves only when the window closes, and never
    back. `ceiling` is the latest moment the first page can have known about; the window ends there at most.

    :raises ReadAgain: the page cannot be believed; its window must be read again in smaller pieces
    """
    window = opened(position)
    if doubt := page.doubt or _doubt(source, window, page, seen):
        raise ReadAgain(doubt)
    end = min(window.end, ceiling) if window.pages == 0 else window.end
    fresh = {number for number in page.numbers if position.number is None or number > position.number}
    read = OpenWindow(
        window.start,
        end,
        pages=window.pages + 1,
        held=window.held + len(fresh),
        top=max(page.numbers | ({window.top} if window.top else set()), default=None),
    )
    further = replace(position, window=read, cursor=page.next_cursor)
    if page.next_cursor is not None:
        return further
    if doubt := _unproven(source, read, position.number):
        again = replace(
            position,
            span=source.max_unproven_span,
            window=OpenWindow(window.start, window.start + source.max_unproven_span),
            cursor=None,
            doubt=Doubt(read.end, read.held, position.span) if read.held else None,
        )
        raise ReadAgain(doubt, position=again)
    return close(source, further)


def _doubt(source: Source, window: OpenWindow, page: PageEnd, seen: Collection[str]) -> str | None:
    if page.next_cursor is None:
        if page.size >= _full(source, window):
            return f"a full page of {page.size} has no next link: the walk may have been cut short"
        return None
    if page.next_cursor in seen:
        return "the next link leads back to a page of this window already read"
    if page.size < source.page_size and _halved(source, window):
        return f"a page of {page.size} (a full one has {source.page_size}) links to more: {_HIDDEN}"
    if window.pages + 1 >= source.max_pages:
        return f"the window is deeper than {source.max_pages} pages"
    return None


def _full(source: Source, window: TimeRange) -> int:
    """Return how many releases a full page has: of the smallest windows, one less.

    A last page that only happens to be full thus ends in another, of one release, where halving can part it no more.
    """
    return source.page_size if _halved(source, window) else source.page_size - 1


def _unproven(source: Source, window: OpenWindow, number: int | None) -> str | None:
    """Say why a window longer than is believed without proof is not shown to be whole by its notice numbers.

    `number` is the one the window before ended with: from there on, all but a few must be there.
    """
    if window.end - window.start <= source.max_unproven_span + source.overlap:
        return None
    unshown = f"nothing shows that a window of more than {source.max_unproven_span} is whole"
    if number is None or window.top is None or window.top < number:
        return f"{unshown}: it has no notice numbers"
    if window.top // NUMBERS_A_YEAR > number // NUMBERS_A_YEAR:
        return f"{unshown}: a year ends in it, and how many numbers the old one had cannot be told"
    missing = window.top - number - window.held
    if missing > window.held // ONE_NUMBER_UNUSED_IN:
        return f"{missing} of the {window.top - number} notice numbers up to {window.top} are missing: {_HIDDEN}"
    return None


def close(source: Source, position: ReadPosition) -> ReadPosition:
    """Close the open window: the watermark moves to its end, and what it held decides the size of the next.

    At the end of a doubt: if the short windows found no more than the long one had, that one was whole after all.
    """
    window = opened(position)
    span, doubt, lossy = _next_span(source, position), position.doubt, position.lossy
    if doubt is not None:
        doubt = replace(doubt, found=doubt.found + window.held)
        if window.end >= doubt.end:
            lossy = lossy or doubt.found > doubt.held
            span, doubt = (span if lossy else doubt.span), None
    return ReadPosition(
        watermark=max(position.watermark, window.end),
        span=span,
        reached=window.end,
        number=window.top or position.number,
        doubt=doubt,
        lossy=lossy,
    )


def _next_span(source: Source, position: ReadPosition) -> timedelta:
    """Aim at windows of `target_pages`: fast up to what is believed without proof, in smaller steps beyond."""
    window, span = opened(position), position.span
    if window.pages > source.target_pages:
        return _seconds(max(span * source.target_pages / window.pages, span / 2))
    if span < source.max_unproven_span and window.pages * 4 <= source.target_pages:
        return min(span * 2, source.max_unproven_span)
    provable = window.top is not None and position.doubt is None and not position.lossy
    return min(_seconds(span * STEP_OF_GROWTH), source.max_span if provable else source.max_unproven_span)


def halve_open_window(source: Source, position: ReadPosition) -> ReadPosition | None:
    """Halve the open window, to be read from its first page; None when it is as small as the API can be asked.

    A window of a size that needs proof is cut down to one that needs none.
    """
    half = _halved(source, opened(position))
    if half is None:
        return None
    return replace(position, span=max(half.end - half.start, source.min_span), window=half, cursor=None)


def from_its_start(position: ReadPosition) -> ReadPosition:
    """Go back to the first page of the open window; what its pages held so far is counted anew."""
    window = opened(position)
    return replace(position, window=OpenWindow(window.start, window.end), cursor=None)


def _halved(source: Source, window: TimeRange) -> OpenWindow | None:
    """Return the first half of a window; None for one so small that its half would be asked for hardly less.

    That is a second or two; where clocks leave an hour open, as Contracts Finder's do all summer, an hour: halved down
    to seconds, whatever the API fails at would be in each of the hour's two thousand windows.
    """
    span = window.end - window.start
    half = timedelta(seconds=span.total_seconds() // 2)
    widened = _local(window.start, source.clocks, max) - _local(window.start, source.clocks, min)
    if half <= source.overlap or span <= widened:
        return None
    return OpenWindow(window.start, window.start + min(half, source.max_unproven_span))


def _seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=math.ceil(span.total_seconds()))


def opened(position: ReadPosition) -> OpenWindow:
    """Return the open window of a place that has one."""
    if position.window is None:
        msg = f"no window is open at {position.watermark}: open one with open_window first"
        raise ValueError(msg)
    return position.window
