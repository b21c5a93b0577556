"""Faults in the walk: wrong links, and releases that are hidden or move."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import contracts_finder, find_a_tender
from .answer import Answer, Paging, read_limit
from .catalogue import FIND_A_TENDER, parse_date
from .faults import fault
from .jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .catalogue import Entry
    from .faults import Exchange


_TO_THE_END = Paging(size=1_000_000_000)


def _next(answer: Answer) -> str | None:
    if answer.status != HTTPStatus.OK:
        return None
    link = answer.json().get("links", {}).get("next")
    return link if isinstance(link, str) else None


def _with_next(answer: Answer, link: str | None) -> Answer:
    package = answer.json()
    package.pop("links", None)
    return replace(answer, body=encode(package if link is None else {**package, "links": {"next": link}}))


def _window(params: Mapping[str, str]) -> tuple[str | None, str | None]:
    low = params.get("updatedFrom", params.get("publishedFrom"))
    return low, params.get("updatedTo", params.get("publishedTo"))


@fault
def empty_with_next(exchange: Exchange) -> Answer | None:
    """Send no release, and a next link that leads to the releases of this page."""
    empty = exchange.again(Paging(size=0))
    return None if _next(empty) is None else empty


@fault
def short_with_next(exchange: Exchange) -> Answer | None:
    """Send half a page, and a next link that leads to the rest: nothing is missing from the walk."""
    if _next(exchange.answer) is None:
        return None
    return exchange.again(Paging(size=(read_limit(exchange.query.params) + 1) // 2))


@fault
def full_without_next(exchange: Exchange) -> Answer | None:
    """Send a page without its next link, though it is not the last (Find a Tender, June to August 2026)."""
    return None if _next(exchange.answer) is None else _with_next(exchange.answer, None)


@fault
def repeated_cursor(exchange: Exchange) -> Answer | None:
    """Link to this page again."""
    here = _next(exchange.again(Paging(size=0)))
    return None if here is None else _with_next(exchange.answer, here)


@fault
def cursor_cycle(exchange: Exchange) -> Answer | None:
    """Link from each later page of a window back to its second page."""
    link = _next(exchange.answer)
    window = _window(exchange.query.params)
    if link is None:
        return None
    if "cursor" not in exchange.query.params:
        exchange.memory[window] = link
        return None
    back = exchange.memory.get(window)
    return None if back is None else _with_next(exchange.answer, back)


@fault
def foreign_next(exchange: Exchange, host: str = "example.invalid") -> Answer | None:
    """Link to another host."""
    link = _next(exchange.answer)
    if link is None:
        return None
    return _with_next(exchange.answer, urlsplit(link)._replace(netloc=host).geturl())


@fault
def changed_next(exchange: Exchange, days: int = 1) -> Answer | None:
    """Link to a query whose window begins `days` later than the one asked for; its cursor is unchanged."""
    link, begin = _next(exchange.answer), _window(exchange.query.params)[0]
    if link is None or begin is None:
        return None
    later = parse_date(begin.removesuffix("Z")[:19] + "Z")
    if later is None:
        return None
    moved = f"{later + timedelta(days=days):%Y-%m-%dT%H:%M:%S}"
    return _with_next(exchange.answer, link.replace(f"From={begin}&", f"From={moved}&", 1))


@fault
def missing_releases(exchange: Exchange, hours: float = 24, share: float = 0.1) -> Answer | None:
    """Hide a `share` of the releases, always the same ones, from windows longer than `hours`.

    Pages stay full; only a shorter window shows the hidden ones (met by Kingfisher Collect on Find a Tender).
    """
    begin, end = (_read(exchange.source, text) for text in _window(exchange.query.params))
    now = exchange.catalogue.clock.now()
    if begin is not None and (end or now) - begin <= timedelta(hours=hours):
        return None

    def keep(entry: Entry) -> bool:
        return zlib.crc32(str(entry.number).encode()) / 2**32 >= share

    return exchange.again(Paging(keep=keep))


@fault
def redated(exchange: Exchange) -> Answer | None:
    """Date the oldest release of a walk now, during the walk: it becomes the newest, and is missed by the rest."""
    if "cursor" not in exchange.query.params:
        return None
    for release in reversed(exchange.again(_TO_THE_END).json().get("releases", [])):
        if isinstance(release, dict) and isinstance(release.get("id"), str):
            exchange.catalogue.change(exchange.source, release["id"], in_place=True, edit=_leave_as_is)
            return exchange.again(Paging())
    return None


def _leave_as_is(_release: dict[str, Any]) -> None:
    """Change nothing but the date."""


def _read(source: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    if source == FIND_A_TENDER:
        return find_a_tender.read_time("window", text)
    return contracts_finder.read_time("window", text, UTC)
