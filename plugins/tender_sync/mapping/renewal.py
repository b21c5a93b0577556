"""Whether a contract may be renewed or extended."""

from collections.abc import Mapping
from typing import Any

from tender_sync.mapping.dates import parse_date
from tender_sync.mapping.json_access import any_true, first_text, objects
from tender_sync.mapping.release import Release


def renewal(release: Release) -> tuple[bool | None, str | None]:
    """Return whether a contract may be renewed, and how, by the first of contracts, awards and lots that says anything.

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
        may_renew = True in flags or any(map(_may_be_extended, objects(parts, period)))
        if may_renew or False in flags:
            return may_renew, first_text(parts, ("renewal", "description"))
    return None, None


def has_renewal(part: Mapping[str, Any]) -> bool | None:
    """Tell whether a lot, award or contract may be renewed: by its flag, or because it says how.

    Procurement Act notices state the flag only where it is true, notices of the old rules always.
    """
    return True if first_text(part, ("renewal", "description")) else any_true(part, "hasRenewal")


def _may_be_extended(period: Mapping[str, Any]) -> bool:
    end = parse_date(period.get("endDate"), end_of_day=True)
    furthest = parse_date(period.get("maxExtentDate"), end_of_day=True)
    return furthest is not None and (end is None or furthest > end)
