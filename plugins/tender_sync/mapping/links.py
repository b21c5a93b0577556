"""Web addresses as notices write them: bare, inside sentences, or not at all where one is due."""

from __future__ import annotations

import re

from tender_sync.mapping.json_access import text

_HOST = r"(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z]{2,}"
_ADDRESS = re.compile(rf"https?://{_HOST}(?::[0-9]+)?(?:[/?#][^\s<>\"]*)?", re.IGNORECASE)
_WITHOUT_SCHEME = re.compile(rf"{_HOST}(?:/[^\s<>\"]*)?", re.IGNORECASE)
_IN_SENTENCE = re.compile(rf"{_ADDRESS.pattern}|(?<![@\w.-])www\.{_HOST}(?:/[^\s<>\"]*)?", re.IGNORECASE)
# What ends the sentence around an address rather than the address. A closing bracket is its own only after an
# opening one.
_TRAILING = ".,;:!?'\"*"


def web_address(value: object) -> str | None:
    """Return a whole string as an http(s) address that a browser opens; None for anything else.

    `www.ariba.com` and `etendersni.gov.uk/epps` get the scheme they lack; `http://Contract Finder` and
    e-mail addresses are no addresses of pages (all four were published).
    """
    written = text(value) or ""
    if _ADDRESS.fullmatch(written):
        return written
    return f"https://{written}" if _WITHOUT_SCHEME.fullmatch(written) else None


def address_within(value: object) -> str | None:
    """Return the first http(s) address in a text, or the text itself where it is an address without a scheme."""
    whole = web_address(value)
    if whole:
        return whole
    found = _IN_SENTENCE.search(text(value) or "")
    if not found:
        return None
    address = found[0].rstrip(_TRAILING)
    if address.endswith(")") and "(" not in address:
        address = address.rstrip(")").rstrip(_TRAILING)
    return web_address(address)
