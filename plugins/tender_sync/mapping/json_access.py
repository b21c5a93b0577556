"""Reads JSON of odd shapes: what is missing or of a wrong type is absent, never an error."""

import math
import re
from html import unescape
from typing import Any

_PLAIN_NUMBER = re.compile(r"£?(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")

# HTML tags count by their names, so "<100 users" stays. Of a link the address is kept: it may be where to bid.
_TAG_ENDS = r"(?:\s+[a-z-]+\s*=[^<>]*|\s*/?)>"
_TAGS = {
    rf"<br{_TAG_ENDS}": "\n",
    rf"(?:</?(?:p|div|ul|ol|li|h[1-6]|table|tr){_TAG_ENDS}\s*)+": "\n",
    r"<a\b[^<>]*?\bhref=[\"']?(https?://[^\"'<>\s]+)[^<>]*>(?!\1)": r"\1 ",
    rf"</?(?:a|b|strong|i|em|u|span|font){_TAG_ENDS}": "",
}
# Non-breaking blanks and hyphens, and characters without width: zero-width blanks, soft hyphens, byte order marks.
_ODD_CHARACTERS = {"\u2011": "-"} | dict.fromkeys("\xa0\u2007\u202f", " ") | dict.fromkeys("\xad\u200b\u2060\ufeff", "")
_ENTITY = re.compile(r"&(?:[a-z]{2,8}|#[0-9]{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)


def members(value: object) -> list[Any]:
    """Return the members of a place that may hold one thing or many.

    A list gives its elements, null gives nothing, and an object keyed by numbers gives its values: Find a Tender has
    published `deliveryAddresses` as `{"1": {…}}` (seen in notice 002109-2021). Anything else is a list of one.
    """
    if isinstance(value, list):
        return value
    if value is None:
        return []
    # The first key decides for nearly every object.
    if isinstance(value, dict) and next(iter(value), "").isdecimal() and all(key.isdecimal() for key in value):
        return list(value.values())
    return [value]


def walk(value: object, *path: str) -> list[Any]:
    """Return everything at `path`, in document order, through every list on the way.

    The result may be a list of the document itself: do not change it.
    """
    found = members(value)
    for key in path:
        if len(found) == 1:  # by far the most frequent case, in the function where the mapper spends its time
            found = members(found[0].get(key)) if isinstance(found[0], dict) else []
        elif found:
            below = [node[key] for node in found if isinstance(node, dict) and key in node]
            found = [member for each in below for member in members(each)]
    return found


def objects(value: object, *path: str) -> list[dict[str, Any]]:
    """Return the JSON objects at `path`; all else there is left out."""
    return [found for found in walk(value, *path) if isinstance(found, dict)]


def text(value: object) -> str | None:
    """Return a string as plain text without the white space around it; None for an empty one and any other type."""
    return (_plain(value).strip() or None) if isinstance(value, str) else None


def line(value: object) -> str | None:
    """Return a string as one line, each run of white space as one blank: names have stray line breaks."""
    return (" ".join(_plain(value).split()) or None) if isinstance(value, str) else None


def _plain(value: str) -> str:
    """Return a text without the HTML and the odd blanks that people paste or portals add.

    Find a Tender's old-rule notices break lines with `<br/>` (60 texts of 81 notices); Contracts Finder has titles with
    `&apos;`; 12 of 641 notices have narrow blanks or non-breaking hyphens. No other tags have been seen.
    """
    if "&" in value:
        value = _ENTITY.sub(lambda entity: unescape(entity[0]), value)
    if "<" in value:
        for tag, instead in _TAGS.items():
            value = re.sub(tag, instead, value, flags=re.IGNORECASE)
    if not value.isascii():
        for odd, plain in _ODD_CHARACTERS.items():
            value = value.replace(odd, plain)
    return value


def identifier(value: object) -> str | None:
    """Return an id as a string, as written; a whole number becomes its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def number(value: object) -> float | None:
    """Return a JSON number, or a string that is plainly one ("£12,500.00"), as a finite float; None for all else."""
    written = text(value)
    if written is not None and _PLAIN_NUMBER.fullmatch(written):
        value = written.removeprefix("£").replace(",", "")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found + 0.0 if math.isfinite(found) else None  # adding zero turns -0.0 into 0.0


def any_true(value: object, *path: str) -> bool | None:
    """Return True if any boolean at `path` is true, False if all are false, None if there is none."""
    found = [flag for flag in walk(value, *path) if isinstance(flag, bool)]
    return any(found) if found else None


def texts(value: object, *path: str) -> list[str]:
    """Return the non-empty strings at `path`, each as `text` reads it."""
    return [found for each in walk(value, *path) if (found := text(each))]


def first_text(value: object, *paths: tuple[str, ...]) -> str | None:
    """Return the first non-empty string at the first of `paths` that has one, as `text` reads it."""
    return next((found for path in paths for each in walk(value, *path) if (found := text(each))), None)


def word(value: object, *path: str) -> str | None:
    """Return the code at `path` in lower case, as the tables of this package spell the codes of OCDS."""
    return (first_text(value, path) or "").lower() or None


def words(value: object, *path: str) -> set[str]:
    """Return the codes at `path` in lower case; one text may hold several ("award, contract")."""
    return set(" ".join(texts(value, *path)).lower().replace(",", " ").split())
