"""Faults in the body: invalid JSON, no package, or odd values in the place of releases."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .answer import Answer, Paging, read_limit
from .faults import fault
from .jsontext import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Exchange

_MARK = "7365123456789"
"""A number that no release holds; bytes that JSON cannot express replace it afterwards."""


def _edit(answer: Answer, change: Callable[[list[Any]], bool]) -> Answer | None:
    """Change the releases of a page; `change` returns whether it could."""
    if answer.status != HTTPStatus.OK:
        return None
    package = answer.json()
    if not change(package.get("releases", [])):
        return None
    return replace(answer, body=encode(package))


def _set_first(answer: Answer, amount: Any, title: str | None = None) -> Answer | None:
    def change(releases: list[Any]) -> bool:
        for release in releases:
            tender = release.get("tender") if isinstance(release, dict) else None
            if isinstance(tender, dict):
                if title is None:
                    tender["value"] = {"amount": amount, "currency": "GBP"}
                else:
                    tender["title"] = title
                return True
        return False

    return _edit(answer, change)


def _swap(answer: Answer | None, old: bytes, new: bytes) -> Answer | None:
    return None if answer is None else replace(answer, body=answer.body.replace(old, new))


@fault
def invalid_json(exchange: Exchange) -> Answer:
    """Send a body that ends in the middle of the JSON; its Content-Length is right."""
    answer = exchange.answer
    return replace(answer, body=answer.body[: len(answer.body) // 2])


@fault
def infinite_amount(exchange: Exchange) -> Answer | None:
    """Send `1e9999` as the first release's `tender.value.amount` (met by Kingfisher Collect)."""
    return _set_first(exchange.answer, float("inf"))


@fault
def bare_zeros(exchange: Exchange) -> Answer | None:
    """Send ` 000,` as a number (met by Kingfisher Collect): `"amount": 000,`, which is invalid JSON."""
    spoiled = _set_first(exchange.answer, int(_MARK))
    return _swap(spoiled, f":{_MARK},".encode(), b": 000,")


@fault
def not_utf8(exchange: Exchange) -> Answer | None:
    """Send a text in ISO-8859-1 in a body declared as JSON (met by Kingfisher Collect on Contracts Finder)."""
    spoiled = _set_first(exchange.answer, None, title=f"Caf{_MARK} refurbishment")
    return _swap(spoiled, _MARK.encode(), "é".encode("latin-1"))


@fault
def not_a_package(exchange: Exchange, value: Any = None) -> Answer:
    """Answer 200 with JSON that is no release package: `value`, or a message."""
    return replace(exchange.answer, status=200, body=encode({"message": "ok"} if value is None else value))


@fault
def odd_release(exchange: Exchange, value: Any = None) -> Answer | None:
    """Put `null` (or `value`: a text, a number, …) among the releases; nothing else is missing from the walk."""
    return _with_extra(exchange, lambda _: value)


@fault
def duplicate_id(exchange: Exchange) -> Answer | None:
    """Send the page's first release twice; nothing else is missing from the walk."""
    return _with_extra(exchange, lambda first: first)


def _with_extra(exchange: Exchange, make: Callable[[Any], Any]) -> Answer | None:
    """Put one more value in the middle of a page that takes one release less, so that its length stays the same."""
    if exchange.answer.status != HTTPStatus.OK:
        return None
    limit = read_limit(exchange.query.params)
    if limit == 1:
        return None

    def change(releases: list[Any]) -> bool:
        if releases:
            releases.insert((len(releases) + 1) // 2, make(releases[0]))
        return bool(releases)

    return _edit(exchange.again(Paging(size=limit - 1)), change)
