"""The lots of a tender: the parts for which suppliers can bid separately."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

from tender_sync.mapping.dates import parse_date
from tender_sync.mapping.json_access import any_true, first_text, identifier, line, number, objects, text, walk, word
from tender_sync.mapping.release import Release
from tender_sync.mapping.renewal import has_renewal
from tender_sync.mapping.values import EstimatedValue

_DAY = 24 * 60 * 60
_CENTURY = 36_525  # in days; a longer duration is a slip of the pen
_ORDER = "order"  # Find a Tender's code for a number that is an order of importance, not a weight
_SHARE = r"[0-9]{1,3}(?:\.[0-9]+)?"
_WEIGHT = re.compile(
    rf"(?:weight(?:ing)?:?\s*)?(?P<leading>{_SHARE})\s*(?:$|%)|[^0-9%]+\b(?P<trailing>{_SHARE})\s*%$", re.IGNORECASE
)


class AwardCriterion(TypedDict):
    """One award criterion of a lot. `weight` is in percent or points, as the notice states it."""

    name: str | None
    criteriaType: str | None
    weight: float | None


class MappedLot(TypedDict):
    """One lot. `value` is on the contract's `valueBasis`, and in `currency`, which is mostly the contract's."""

    lotId: str | None
    title: str | None
    description: str | None
    value: float | None
    currency: str | None
    contractPeriodDays: int | None
    hasRenewal: bool | None
    renewalDescription: str | None
    hasOptions: bool | None
    optionsDescription: str | None
    variantPolicy: str | None
    status: str | None
    awardCriteria: list[AwardCriterion]


def lots_of(release: Release, stated: EstimatedValue) -> list[MappedLot]:
    """Return the lots of the tender; award notices state little more of them than id and status.

    docs/CONTRACTS.md says when a cancelled lot is complete and when a lot is in the currency of the tender: AED is the
    first of an alphabetical list.
    """
    policy = first_text(release.tenders, ("submissionTerms", "variantPolicy"))
    lots = [_map(lot, stated, policy) for lot in release.lots]
    awarded = {identifier(lot) for lot in walk(release.contract_awards, "relatedLots")}
    together = round(sum(lot["value"] for lot in lots if lot["value"] is not None), 2)
    for lot in lots:
        if lot["value"] is not None and stated.high in {lot["value"], together}:
            lot["currency"] = stated.currency
        is_awarded = bool(release.contract_awards) and (lot["lotId"] in awarded or not awarded)
        if lot["status"] == "cancelled" and is_awarded:
            lot["status"] = "complete"
    return lots


def max_lots_bid_per_supplier(release: Release) -> int | None:
    """Return how many lots one supplier may bid for; None where unlimited (published as `1e9999`) or not stated.

    Public Contracts Scotland and Sell2Wales, whose notices Find a Tender passes on, state 2,147,483,647 for unlimited.
    """
    limits = [number(details.get("maximumLotsBidPerSupplier")) for details in objects(release.tenders, "lotDetails")]
    return next((int(limit) for limit in limits if limit is not None and 1 <= limit < 2**31 - 1), None)


def _map(lot: Mapping[str, Any], stated: EstimatedValue, policy: str | None) -> MappedLot:
    value = stated.of(lot)
    options = first_text(lot, ("options", "description"))
    return MappedLot(
        lotId=identifier(lot.get("id")),
        title=line(lot.get("title")),
        description=text(lot.get("description")),
        value=value.low,
        currency=value.currency,
        contractPeriodDays=_days(lot),
        hasRenewal=has_renewal(lot),
        renewalDescription=first_text(lot, ("renewal", "description")),
        hasOptions=True if options else any_true(lot, "hasOptions"),
        optionsDescription=options,
        variantPolicy=first_text(lot, ("submissionTerms", "variantPolicy")) or policy,
        status=word(lot, "status"),
        awardCriteria=[_criterion(each) for each in objects(lot, "awardCriteria", "criteria")],
    )


def _days(lot: Mapping[str, Any]) -> int | None:
    """Return the length of the contract as published (old rules: months of 30 days), else counted from its dates."""
    for period in objects(lot, "contractPeriod"):
        days = number(period.get("durationInDays"))
        start, end = parse_date(period.get("startDate")), parse_date(period.get("endDate"), end_of_day=True)
        if days is None and start and end:
            days = round((end - start).total_seconds() / _DAY)  # days end at 23:59:59; clock changes round away
        if days is not None and 0 <= days <= _CENTURY:
            return int(days)
    return None


def _criterion(criterion: Mapping[str, Any]) -> AwardCriterion:
    """Return one criterion; price criteria of the old rules have no name but their type."""
    kind = word(criterion, "type")
    return AwardCriterion(name=line(criterion.get("name")) or kind, criteriaType=kind, weight=_weight(criterion))


def _weight(criterion: Mapping[str, Any]) -> float | None:
    """Return the weight: in `numbers` (Procurement Act), else in the description ("30", "80%", "Cost 90%")."""
    for each in objects(criterion, "numbers"):
        weight = None if word(each, "weight") == _ORDER else number(each.get("number"))
        if weight is not None and weight >= 0:
            return weight
    written = _WEIGHT.match(text(criterion.get("description")) or "")
    return float(written["leading"] or written["trailing"]) if written else None
