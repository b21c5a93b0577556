"""Faults in the status and on the wire: the page itself is sound, or never comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from . import wire
from .answer import Answer
from .faults import fault
from .jsontext import encode
from .limits import stop_for_five_minutes, too_many_requests

if TYPE_CHECKING:
    from .faults import Exchange

_HTML = (("Content-Type", "text/html"),)


def _page(title: str) -> bytes:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n".encode()


def _retry_after(exchange: Exchange, seconds: int | None, *, as_date: bool) -> str | None:
    if seconds is None:
        return None
    when = exchange.catalogue.clock.now() + timedelta(seconds=seconds)
    return format_datetime(when, usegmt=True) if as_date else str(seconds)


@fault
def http_429(exchange: Exchange, retry_after: int | None = 120, *, as_date: bool = False) -> Answer:
    """Say too many requests, as recorded. `retry_after` in seconds, or as an HTTP date, or (`None`) absent."""
    return too_many_requests(_retry_after(exchange, retry_after, as_date=as_date))


@fault
def http_403(_exchange: Exchange) -> Answer:
    """Say too many requests as Contracts Finder does: 403 in HTML, no Retry-After."""
    return stop_for_five_minutes()


@fault
def http_500(_exchange: Exchange) -> Answer:
    """Give an internal server error, in HTML."""
    return Answer(500, _page("500 Internal Server Error"), _HTML)


@fault
def http_502(_exchange: Exchange) -> Answer:
    """Give a bad gateway, in HTML."""
    return Answer(502, _page("502 Bad Gateway"), _HTML)


@fault
def http_503(exchange: Exchange, retry_after: int | None = 60, *, as_date: bool = False) -> Answer:
    """Say that the service is unavailable; documented for Find a Tender as coming with Retry-After."""
    wait = _retry_after(exchange, retry_after, as_date=as_date)
    headers = _HTML if wait is None else (*_HTML, ("Retry-After", wait))
    return Answer(503, _page("503 Service Temporarily Unavailable"), headers)


@fault
def http_504(_exchange: Exchange) -> Answer:
    """Give a gateway time-out, in HTML."""
    return Answer(504, _page("504 Gateway Time-out"), _HTML)


@fault
def html(_exchange: Exchange) -> Answer:
    """Give status 200, and a page for people."""
    return Answer(200, _page("Sorry, there is a problem with the service"), _HTML)


@fault
def expired_cursor(exchange: Exchange) -> Answer | None:
    """Refuse with a 400 any cursor."""
    if "cursor" not in exchange.query.params:
        return None
    return Answer(400, encode({"message": "The cursor has expired"}))


@fault
def reset(exchange: Exchange) -> Answer:
    """Reset the connection before the answer."""
    return replace(exchange.answer, delivery=wire.reset)


@fault
def reset_mid_body(exchange: Exchange) -> Answer:
    """Reset the connection after half the body."""
    return replace(exchange.answer, delivery=wire.reset_mid_body)


@fault
def cut_short(exchange: Exchange) -> Answer:
    """Send half the body although Content-Length promises all of it."""
    return replace(exchange.answer, delivery=wire.cut_short)


@fault
def cut_short_no_length(exchange: Exchange) -> Answer:
    """Send half the body without Content-Length, closed in good order."""
    return replace(exchange.answer, delivery=wire.cut_short_no_length)


@fault
def hang(exchange: Exchange) -> Answer:
    """Send no byte at all, and keep the connection open."""
    return replace(exchange.answer, delivery=wire.hang)


@fault
def trickle(exchange: Exchange, size: int = 1, pause: float = 0.1) -> Answer:
    """Send the body in drops of `size` bytes, one every `pause` seconds."""
    return replace(exchange.answer, delivery=wire.trickle(size, pause))
