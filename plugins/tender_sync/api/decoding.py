"""Decodes the bytes of one answer to its release package, and repairs what real answers contain."""

import codecs
import json
import re
from typing import Any


class NotAPackage(ValueError):
    """The body is something else: a maintenance page, an error in JSON, nothing."""


class BrokenPackage(ValueError):
    """The body looks like a release package but cannot be decoded, even after the known repairs."""


def decode_package(body: bytes) -> dict[str, Any]:
    """Decode one OCDS release package: an object whose `releases` is a list (of anything).

    Two defects are repaired, which Kingfisher Collect met in published answers: bytes that are not UTF-8, and numbers
    such as ` 000,`. Such bytes are read as Windows-1252, one by one, so that the rest of the page keeps its characters.
    `1e9999` decodes to infinity; the mapper decides what to do with it.

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
    # strict=False: raw control characters inside texts are not allowed, but readable.
    try:
        return json.loads(text, strict=False)
    except ValueError:
        repaired = _STRING_OR_ODD_NUMBER.sub(_plain_number, text)
        return json.loads(repaired, strict=False, parse_int=_any_int)


# A string (kept as it is, even when cut short), or a number with leading zeros or with blanks between its thousands.
# Possessive quantifiers, and only one way to match each alternative: any text is scanned once.
_STRING_OR_ODD_NUMBER = re.compile(
    r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|(?<![\w.+-])-?(?:0\d+(?:\.\d+)?|\d{1,3}(?: \d{3})+)(?![\w.])'
)


def _any_int(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:  # Python refuses more than 4,300 digits
        return digits


def _plain_number(met: re.Match[str]) -> str:
    if met[0].startswith('"'):
        return met[0]
    digits = met[0].replace(" ", "").lstrip("-").lstrip("0")
    sign = "-" if met[0].startswith("-") else ""
    return sign + (digits if digits[:1].isdigit() else "0" + digits)


def _windows_1252_bytes(error: Any) -> tuple[str, int]:
    odd = error.object[error.start : error.end]
    return odd.decode("cp1252", errors="replace"), error.end


codecs.register_error("windows-1252-bytes", _windows_1252_bytes)
