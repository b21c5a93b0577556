"""The canonical form of JSON: equal for values of equal content, and the hash of it."""

import hashlib
import json
from typing import Any


def content_hash(value: object) -> str:
    """Return the SHA-256 of a JSON value's canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: object) -> str:
    """Write a JSON value in its canonical form: keys sorted, 5.0 written as 5, no blanks."""
    return json.dumps(_with_whole_numbers(value), sort_keys=True, separators=(",", ":"))


def _with_whole_numbers(value: Any) -> Any:
    """Copy a JSON value with every float that is whole as an integer."""
    if isinstance(value, dict):
        # Most values are strings: to skip them here saves most of the calls.
        return {key: each if isinstance(each, str) else _with_whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
