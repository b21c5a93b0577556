"""Faults in the status and on the wire: the page itself is right, or never arrives."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from . import wire
from .answer import Answer
from .faults import REGISTRY, fault
from .jsontext import encode
from .limits import stop_for_five_minutes, too_many_requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Exchange
    from .wire import Delivery

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
    """Answer 429 as recorded. `retry_after` is in seconds, sent as an HTTP date if `as_date`, left out if `None`."""
    return too_many_requests(_retry_after(exchange, retry_after, as_date=as_date))


@fault
def http_403(_exchange: Exchange) -> Answer:
    """Answer too many requests as Contracts Finder does: 403 in HTML, without Retry-After."""
    return stop_for_five_minutes()


@fault
def http_503(exchange: Exchange, retry_after: int | None = 60, *, as_date: bool = False) -> Answer:
    """Answer that the service is unavailable; Find a Tender documents it with Retry-After."""
    wait = _retry_after(exchange, retry_after, as_date=as_date)
    headers = _HTML if wait is None else (*_HTML, ("Retry-After", wait))
    return Answer(503, _page("503 Service Temporarily Unavailable"), headers)


@fault
def html(_exchange: Exchange) -> Answer:
    """Answer 200 with an HTML page for people."""
    return Answer(200, _page("Sorry, there is a problem with the service"), _HTML)


@fault
def expired_cursor(exchange: Exchange) -> Answer | None:
    """Refuse any cursor with a 400."""
    if "cursor" not in exchange.query.params:
        return None
    return Answer(400, encode({"message": "The cursor has expired"}))


@fault
def trickle(exchange: Exchange, size: int = 1, pause: float = 0.1) -> Answer:
    """Send the body in drops of `size` bytes, one every `pause` seconds."""
    return replace(exchange.answer, delivery=wire.trickle(size, pause))


def _html_error(status: int, reason: str) -> Callable[[Exchange], Answer]:
    return lambda _exchange: Answer(status, _page(f"{status} {reason}"), _HTML)


def _delivered(delivery: Delivery) -> Callable[[Exchange], Answer]:
    return lambda exchange: replace(exchange.answer, delivery=delivery)


# The other errors of a proxy, in HTML, and the ways to lose an answer, which `wire` describes under the same names.
REGISTRY |= {
    "http_500": _html_error(500, "Internal Server Error"),
    "http_502": _html_error(502, "Bad Gateway"),
    "http_504": _html_error(504, "Gateway Time-out"),
    "reset": _delivered(wire.reset),
    "reset_mid_body": _delivered(wire.reset_mid_body),
    "cut_short": _delivered(wire.cut_short),
    "cut_short_no_length": _delivered(wire.cut_short_no_length),
    "hang": _delivered(wire.hang),
}
