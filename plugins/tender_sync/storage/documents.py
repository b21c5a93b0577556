"""Contracts and buyers as read back: the first version, or a script, may have left other types in the fields."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any

# Of the fields that are read again, whether to count with them or to compare them.
_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("noticeId", "ocid", "title", "stage", "sector", "noticeType"), str),
    **dict.fromkeys(("buyerName", "buyerOrg", "buyerRegion", "orgId"), str),
    **dict.fromkeys(("publishedDate", "deadlineDate", "statedDeadlineDate"), datetime),
    "buyerId": Hashable,
    "rawData": dict,
}


def believed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored document without what is of another type than the mapper's: that counts as not there."""
    return {
        name: value for name, value in document.items() if value is None or isinstance(value, _TYPES.get(name, object))
    }
