"""Web addresses as notices write them: bare, inside sentences, or missing where one is due."""

import re

from tender_sync.mapping.json_access import text
from tender_sync.sources import SOURCES

_HOST = r"(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z]{2,}"
_ADDRESS = re.compile(rf"https?://{_HOST}(?::[0-9]+)?(?:[/?#][^\s<>\"]*)?", re.IGNORECASE)
_WITHOUT_SCHEME = re.compile(rf"{_HOST}(?:/[^\s<>\"]*)?", re.IGNORECASE)
_IN_SENTENCE = re.compile(rf"{_ADDRESS.pattern}|(?<![@\w.-])www\.{_HOST}(?:/[^\s<>\"]*)?", re.IGNORECASE)
# These end the sentence around an address, not the address. A closing bracket belongs to it only after an opening one.
_TRAILING = ".,;:!?'\"*"


def web_address(value: object) -> str | None:
    """Return a whole string as an http(s) address that a browser opens; None for anything else.

    `www.ariba.com` and `etendersni.gov.uk/epps` get the scheme they lack; `http://Contract Finder` and e-mail
    addresses are no addresses of pages (all four were published).
    """
    written = text(value) or ""
    if _ADDRESS.fullmatch(written):
        return written
    return f"https://{written}" if _WITHOUT_SCHEME.fullmatch(written) else None


def address_within(value: object) -> str | None:
    """Return the first http(s) address in a text, or the whole text where it is an address without a scheme."""
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


def is_publishers_page(value: object) -> bool:
    """Tell whether an address leads to the site of one of our sources."""
    hosts = "|".join(re.escape(source.publisher.page_host) for source in SOURCES.values())
    return re.match(f"https?://(?:{hosts})/", text(value) or "", re.IGNORECASE) is not None
