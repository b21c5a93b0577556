"""Reads stored contracts and buyers, which the first version or a script may have left incomplete or of other types."""

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any

from tender_sync.mapping.parties import UNKNOWN_BUYER

# The types of the fields that are read again, whether to count with them or to compare them.
_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("noticeId", "ocid", "title", "stage", "sector", "noticeType"), str),
    **dict.fromkeys(("buyerName", "buyerOrg", "buyerKey", "buyerRegion", "orgId"), str),
    **dict.fromkeys(("publishedDate", "deadlineDate", "statedDeadlineDate"), datetime),
    "buyerId": Hashable,
    "rawData": dict,
}
# What stands for a field that is missing or of another type. `statedDeadlineDate` has none: lineage must know that it
# is missing, because a contract stored before there was such a field states its `deadlineDate`.
_DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(("noticeId", "ocid", "title", "stage", "sector", "noticeType")),
    **dict.fromkeys(("buyerOrg", "buyerKey", "buyerRegion", "buyerId")),
    **dict.fromkeys(("publishedDate", "deadlineDate", "releaseHash", "mapperVersion")),
    "buyerName": UNKNOWN_BUYER,
    "rawData": {},
}


def read_contract(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored contract, or the part of it that a query asked for, with every field of `_DEFAULTS`."""
    found = without_foreign_types(document)
    return found | {name: default for name, default in _DEFAULTS.items() if not found.get(name)}


def without_foreign_types(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored contract or buyer without the fields whose values are of another type than the mapper's."""
    return {
        name: value for name, value in document.items() if value is None or isinstance(value, _TYPES.get(name, object))
    }
