"""What both APIs share: an answer, a refusal, a cursor, a page of releases."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .jsontext import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .catalogue import Entry
    from .wire import Delivery

JSON = ("Content-Type", "application/json")
LARGEST_PAGE = 100
"""`limit` is 1 to 100 in both services, and 100 when absent."""


@dataclass(frozen=True)
class Answer:
    """A finished answer. `delivery`, when set, sends it some other way than whole."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (JSON,)
    delivery: Delivery | None = None

    def json(self) -> Any:
        """Decode the body."""
        return decode(self.body)


@dataclass(frozen=True)
class Query:
    """One request, split. `params` are decoded, in the order sent; `host` is the request's Host header."""

    path: str
    params: Mapping[str, str]
    host: str


@dataclass(frozen=True)
class Paging:
    """How a fault wants a page cut.

    `size` replaces the limit, but not in the links. `keep` hides releases from the whole walk.
    """

    size: int | None = None
    keep: Callable[[Entry], bool] | None = None


AS_ASKED = Paging()


class Refused(Exception):
    """The request is answered with status 400 and this message."""


@dataclass(frozen=True)
class Page:
    """The releases of one page, newest running number first. The next page begins below `after`; `None` at the end."""

    entries: Sequence[Entry]
    after: int | None


def read_limit(params: Mapping[str, str]) -> int:
    """Read `limit`; raises Refused outside 1 to 100 (101 is a 400: probed in August 2026)."""
    text = params.get("limit", str(LARGEST_PAGE))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LARGEST_PAGE):
        raise Refused(f"limit must be a whole number from 1 to {LARGEST_PAGE}, not {text!r}")
    return int(text)


def cut(listing: Sequence[Entry], below: int | None, limit: int, paging: Paging) -> Page:
    """Cut the next page of a walk: up to `limit` releases with numbers below `below`.

    `listing` is in descending order of numbers. A page of size 0 points back to its own beginning.
    """
    entries = listing if paging.keep is None else [entry for entry in listing if paging.keep(entry)]
    first = 0 if below is None else bisect_left(entries, -below + 1, key=lambda entry: -entry.number)
    last = first + (limit if paging.size is None else paging.size)
    if last >= len(entries):
        return Page(entries[first:], None)
    page = entries[first:last]
    return Page(page, page[-1].number if page else entries[first].number + 1)


def write_cursor(fields: Mapping[str, object]) -> str:
    """Write `name=value|…` in base64, as both services do."""
    return base64.b64encode("|".join(f"{k}={v}" for k, v in fields.items()).encode()).decode()


def read_cursor(text: str, expected: Mapping[str, object]) -> int:
    """Read the number in a cursor; raises Refused if it cannot be decoded or belongs to another walk."""
    try:
        plain = base64.b64decode(text.replace(" ", "+"), validate=True).decode()
        fields = dict(part.split("=", 1) for part in plain.split("|"))
        number = int(fields.pop("nextCursor"))
    except (binascii.Error, ValueError, KeyError):
        raise Refused(f"cursor {text!r} is not one of this service") from None
    if fields != {key: str(value) for key, value in expected.items()}:
        raise Refused(f"cursor belongs to another query: {plain}")
    return number


def package(envelope: Mapping[str, Any], page: Page, next_link: str | None) -> bytes:
    """Write a release package: the envelope, the releases, and `links.next` if there is a next page."""
    head = encode(envelope)[:-1]
    links = b"" if next_link is None else b',"links":' + encode({"next": next_link})
    return head + b',"releases":[' + b",".join(entry.body for entry in page.entries) + b"]" + links + b"}"


def published_date(page: Page) -> str:
    """Return the `publishedDate` of a package: the date of its newest release, or an empty text."""
    for entry in page.entries:
        release = entry.release
        if isinstance(release, dict) and isinstance(release.get("date"), str):
            return str(release["date"])
    return ""


def link(host: str, path: str, params: Mapping[str, object]) -> str:
    """Write a full URL as both services do, with colons and equals signs unescaped; the scheme is http."""
    return f"http://{host}{path}?" + "&".join(f"{key}={value}" for key, value in params.items())
