"""Bytes of one answer → its release package, forgiving what real answers have been seen to contain."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any


class NotAPackage(ValueError):
    """The body is something else altogether: a maintenance page, an error in JSON, nothing."""


class BrokenPackage(ValueError):
    """The body looks like a release package but cannot be decoded, even after the known repairs."""


def decode_package(body: bytes) -> dict[str, Any]:
    """Decode one OCDS release package: an object whose `releases` is a list (of anything).

    Forgiven, and met in published answers by Kingfisher Collect: bytes that are not UTF-8 (read as Windows-1252, one
    by one, so that the rest of the page keeps its characters) and numbers such as ` 000,`. `1e9999` decodes to
    infinity; what to make of that is the mapper's business.

    :raises NotAPackage: the body is not a release package
    :raises BrokenPackage: it starts like one but is damaged
    """
    text = body.decode("utf-8-sig", errors="windows-1252-bytes")
    if not text.lstrip().startswith("{"):
        raise NotAPackage(f"the answer is not JSON but begins with {text.strip()[:80]!r}")
    try:
        package: dict[str, Any] = _loads(text)  # what begins with a brace is an object
    except (ValueError, RecursionError) as error:
        if '"releases"' not in text:
            raise NotAPackage(f"the answer is neither JSON nor a release package ({error})") from None
        raise BrokenPackage(f"the answer is damaged JSON ({error})") from None
    releases = package.get("releases")
    if not isinstance(releases, list):
        message = package.get("message") or package.get("error") or f"keys {sorted(package)[:8]}"
        raise NotAPackage(f"the answer is JSON without a list of releases: {str(message)[:200]}")
    return package


def _loads(text: str) -> Any:
    # strict=False: raw control characters inside texts are readable, if not allowed.
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return json.loads(_repair_numbers(text), strict=False, parse_int=_any_int)


# A string (kept as it is, also one cut short), or a number written with leading zeros or blanks between its thousands.
# Possessive, and one way to match each: whatever stands there, it is looked through once.
_STRING_OR_ODD_NUMBER = re.compile(
    r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|(?<![\w.+-])-?(?:0\d+(?:\.\d+)?|\d{1,3}(?: \d{3})+)(?![\w.])'
)


def _repair_numbers(text: str) -> str:
    return _STRING_OR_ODD_NUMBER.sub(lambda met: met[0] if met[0][0] == '"' else _plain_number(met[0]), text)


def _any_int(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:  # Python refuses to read more than 4,300 digits
        return digits


def _plain_number(odd: str) -> str:
    digits = odd.replace(" ", "").lstrip("-").lstrip("0")
    sign = "-" if odd.startswith("-") else ""
    return sign + (digits if digits[:1].isdigit() else "0" + digits)


def _windows_1252_bytes(error: Any) -> tuple[str, int]:
    odd = error.object[error.start : error.end]
    return odd.decode("cp1252", errors="replace"), error.end


codecs.register_error("windows-1252-bytes", _windows_1252_bytes)
