"""Makes releases odd, in one way each: seen in these feeds, or allowed by JSON but refused by a database."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Release = dict[str, Any]


def _without_id(release: Release) -> None:
    del release["id"]


def _number_as_id(release: Release) -> None:
    release["id"] = 12345


def _infinite_amount(release: Release) -> None:
    release["tender"]["value"] = {"amount": float("inf"), "currency": "GBP"}  # sent as 1e9999


def _huge_integer(release: Release) -> None:
    release["tender"]["value"] = {"amount": 2**70, "currency": "GBP"}


def _year_one(release: Release) -> None:
    release["date"] = "0001-01-01T00:00:00Z"


def _nonsense_date(release: Release) -> None:
    release["tender"]["tenderPeriod"] = {"endDate": "to be confirmed"}
    release["date"] = "yesterday"


def _far_future_date(release: Release) -> None:
    release["date"] = "9999-12-31T23:59:59Z"


def _no_date(release: Release) -> None:
    del release["date"]


def _nul_in_key(release: Release) -> None:
    release["tender"]["no\x00te"] = "a key with NUL"


def _dollar_key(release: Release) -> None:
    release["$where"] = {"a.b": 1}


def _lone_surrogate(release: Release) -> None:
    release["tender"]["title"] = "Broken \ud83d emoji"


def _buyer_id_list(release: Release) -> None:
    release["buyerID"] = []
    release.pop("buyer", None)


def _no_tender(release: Release) -> None:
    del release["tender"]


def _texts_for_objects(release: Release) -> None:
    release["tender"] = {**release["tender"], "value": "1,000", "lots": {"1": {"status": None}}, "items": "none"}
    release["parties"] = {"buyer": None}


def _null_supplier(release: Release) -> None:
    release["awards"] = [None, {"id": "1", "suppliers": [{"id": None, "name": None}]}]


ODDITIES: tuple[Callable[[Release], None], ...] = (
    _without_id,
    _number_as_id,
    _infinite_amount,
    _huge_integer,
    _year_one,
    _nonsense_date,
    _far_future_date,
    _no_date,
    _nul_in_key,
    _dollar_key,
    _lone_surrogate,
    _buyer_id_list,
    _no_tender,
    _texts_for_objects,
    _null_supplier,
)
NOT_RELEASES: tuple[Any, ...] = (None, "release", 42, [])
"""Values seen among releases, or possible there."""


def spoil(random: Random, release: Release) -> Any:
    """Return a copy of a release with one oddity, or sometimes a value that is no release."""
    drawn = random.randrange(len(ODDITIES) + 1)
    if drawn == len(ODDITIES):
        return random.choice(NOT_RELEASES)
    spoilt = copy.deepcopy(release)
    ODDITIES[drawn](spoilt)
    return spoilt
