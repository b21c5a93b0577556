"""What BSON and MongoDB can hold, and a copy of any JSON that fits."""

import math
import re
from collections.abc import Mapping
from typing import Any

import bson
from bson.errors import InvalidDocument

from tender_sync.errors import RejectedRelease

# "MongoDB supports no more than 100 levels of nesting for BSON documents" (MongoDB Limits and Thresholds). A
# mongod 6.0 was seen to take 180 and refuse 181, but the documented limit holds on every server. The contract is the
# first level.
MAX_LEVELS = 100
_ENVELOPE_LEVELS = 1
# A document may have 16 MiB: mongod 6.0 takes 16,777,216 bytes and refuses one more. The envelope is for the fields
# that storage and the web app add to a contract.
ENVELOPE_BYTES = 64 * 1024
MAX_BYTES = 16 * 1024 * 1024 - ENVELOPE_BYTES

_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def storable(value: object) -> Any:
    """Return a `repaired` copy of a JSON value; raise RejectedRelease where it is too deep or large for a field."""
    copy = repaired(value)
    ensure_fits({"rawData": copy})
    return copy


def repaired(value: object) -> Any:
    """Return a copy of a JSON value that BSON can hold, and that the web app can read as JSON. Its size is not checked.

    Whole numbers past 64 bits become their decimal digits; NaN and the infinities become their names (`"NaN"`,
    `"Infinity"`, `"-Infinity"`); lone surrogates, and NULs in keys, become U+FFFD. Keys with dots and dollars stay:
    MongoDB 5 and later take them. All else is kept as it is, also the order of keys. Raises RejectedRelease where the
    value is nested too deeply to be a field of a document.
    """
    return _copy(value, _ENVELOPE_LEVELS)


def ensure_fits(document: Mapping[str, Any]) -> None:
    """Raise RejectedRelease for a document that is too large for MongoDB or that BSON cannot encode."""
    try:
        size = len(bson.encode(document))
    except InvalidDocument as error:
        raise RejectedRelease(f"BSON cannot hold it ({error}); expected JSON values only") from error
    if size > MAX_BYTES:
        raise RejectedRelease(
            f"it takes {size:,} bytes as a contract; MongoDB holds up to {MAX_BYTES:,} besides the "
            f"{ENVELOPE_BYTES:,} kept for other fields. Look the notice up at its publisher"
        )


def _copy(value: object, level: int) -> Any:
    if isinstance(value, str):
        return _valid_text(value)
    if isinstance(value, dict | list):
        if level == MAX_LEVELS:  # also what keeps this recursion short on hostile input
            raise RejectedRelease(
                f"it is nested more than {MAX_LEVELS - _ENVELOPE_LEVELS} levels deep; MongoDB documents hold "
                f"up to {MAX_LEVELS}, contract included. Look the notice up at its publisher"
            )
        if isinstance(value, list):
            return [_copy(element, level + 1) for element in value]
        return _copy_object(value, level)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return _digits(value)
    return value


def _copy_object(value: Mapping[str, object], level: int) -> dict[str, Any]:
    keys = "".join(value)  # looked at joined, to be fast: this runs for every object
    if keys.isascii() and "\0" not in keys:
        return {
            key: each if type(each) is str and each.isascii() else _copy(each, level + 1) for key, each in value.items()
        }
    names = {key: _valid_text(key).replace("\0", _REPLACEMENT) for key in value}
    taken = {key for key, name in names.items() if name == key}
    for key in sorted(names.keys() - taken):  # sorted, so that the order of keys does not decide what they become
        while names[key] in taken:  # two keys must not become one
            names[key] += _REPLACEMENT
        taken.add(names[key])
    return {names[key]: _copy(element, level + 1) for key, element in value.items()}


def _valid_text(value: str) -> str:
    return value if value.isascii() else _SURROGATE.sub(_REPLACEMENT, value)


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to write out more than 4,300 digits
        return hex(value)
