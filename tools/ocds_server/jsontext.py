"""JSON as these two services write it, odd values included.

`json.dumps` writes an infinite float as `Infinity`, which is invalid JSON. Find a Tender has published such an amount
as `1e9999` (met by Kingfisher Collect). That is valid JSON, and most decoders read it as infinity.
"""

from __future__ import annotations

import json
import re
from typing import Any

_STRING_OR_INFINITY = re.compile(r'"(?:[^"\\]|\\.)*"|Infinity')


def encode(value: Any) -> bytes:
    """Write a value as compact JSON in UTF-8; infinity becomes `1e9999`.

    Text that UTF-8 cannot hold (a lone surrogate) is written as an escape, so that the bytes stay valid.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "Infinity" in text:
        text = _STRING_OR_INFINITY.sub(lambda m: "1e9999" if m[0] == "Infinity" else m[0], text)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return re.sub(r"[\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", text).encode()


def decode(body: bytes) -> Any:
    """Read what `encode` wrote."""
    return json.loads(body)
