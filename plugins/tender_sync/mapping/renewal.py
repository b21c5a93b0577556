"""Whether a contract may be renewed or extended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tender_sync.mapping.dates import parse_date
from tender_sync.mapping.json_access import any_true, first_text, objects
from tender_sync.mapping.release import Release


class Renewal(NamedTuple):
    """Whether a contract may be renewed or extended, and the notice's words on it."""

    possible: bool | None
    description: str | None


def renewal(release: Release) -> Renewal:
    """Return what contracts, awards or lots say of renewal, the first of these that says anything.

    A period that may be extended (a `maxExtentDate` after its end) can be renewed.
    """
    contracts = release.standing_contracts
    for parts, period in (
        (contracts, "period"),
        (objects(contracts, "proposedAmendments"), "period"),
        (release.standing_awards, "contractPeriod"),
        (release.lots, "contractPeriod"),
        (release.tenders, "contractPeriod"),
    ):
        flags = {has_renewal(part) for part in parts}
        if True in flags or any(map(_may_be_extended, objects(parts, period))):
            return Renewal(possible=True, description=first_text(parts, ("renewal", "description")))
        if False in flags:
            return Renewal(possible=False, description=first_text(parts, ("renewal", "description")))
    return Renewal(possible=None, description=None)


def has_renewal(part: Mapping[str, Any]) -> bool | None:
    """Tell whether a lot, award or contract may be renewed: by its flag, or because it says how.

    Procurement Act notices state the flag only where it is true, notices of the old rules always.
    """
    return True if first_text(part, ("renewal", "description")) else any_true(part, "hasRenewal")


def _may_be_extended(period: Mapping[str, Any]) -> bool:
    end = parse_date(period.get("endDate"), end_of_day=True)
    furthest = parse_date(period.get("maxExtentDate"), end_of_day=True)
    return furthest is not None and (end is None or furthest > end)
