"""What lineage needs to know of one notice: which it is, where in its procurement it stands, and what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from tender_sync.identity.buyer_keys import name_key
from tender_sync.mapping.json_access import identifier, text
from tender_sync.mapping.parties import UNKNOWN_BUYER
from tender_sync.mapping.release import tags
from tender_sync.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping

# All that is read of a contract: some hundred bytes of ten thousand.
LINEAGE_FIELDS = (
    "source",
    "noticeId",
    "ocid",
    "buyerOrg",
    "buyerName",
    "stage",
    "noticeType",
    "publishedDate",
    "deadlineDate",
    "statedDeadlineDate",
    "rawData.tag",
    "rawData.tender.status",
    "rawData.tender.lots.id",
    "rawData.tender.items.id",
    "rawData.tender.techniques.hasDynamicPurchasingSystem",
    "rawData.awards.id",
    "rawData.contracts.id",
    "rawData.contracts.awardID",
)

UNDATED = datetime.min.replace(tzinfo=UTC)
_MARKET_NOTICES = frozenset({"UK13", "UK14", "UK15", "UK16"})
_NEW_MEMBERS = "UK15"
_ENDS_A_CONTRACT = frozenset({"contracttermination", "awardcancellation"})
# UK10 and the performance notices tell what changed or was measured of a contract, not the contract itself.
_ASIDES = frozenset({"contractamendment", "implementation", "implementationupdate"})


class Lane(IntEnum):
    """Where in a procurement a notice stands; a dynamic market's own notices keep to themselves."""

    PLANNING = 0
    TENDER = 1
    AWARD = 2
    CANCELLATION = 3
    MARKET = 4


class Step(IntEnum):
    """How far an award has come: intended (UK5), awarded (UK6), signed (UK7, and all under the old rules), ended."""

    INTENDED = 0
    AWARDED = 1
    SIGNED = 2
    ENDED = 3


# What stands for a field that a contract of the pipeline's first version lacks: `noticeType` in all of them.
_LACKING: Mapping[str, Any] = {
    "ocid": None,
    "buyerOrg": None,
    "buyerName": UNKNOWN_BUYER,
    "noticeType": None,
    "publishedDate": None,
    "deadlineDate": None,
    "rawData": {},
}
_STEPS: Mapping[str | None, Step] = {"UK5": Step.INTENDED, "UK6": Step.AWARDED}


@dataclass(frozen=True, eq=False)
class Notice:
    """What lineage needs to know of one contract document.

    `guid` is what a notice's versions share, on Contracts Finder alone. `order` sorts as published. `partial`: it says
    only what changed (a corrigendum of the old rules, a contract change, a market's new members), and so cannot take a
    full notice's place. `deadline` is the one it states itself. `stays_open`: a dynamic purchasing system takes
    requests until its deadline, whatever it awards. `old_rules` are those before the Procurement Act. `contracts` maps
    each contract to its award.
    """

    id: str
    guid: str | None
    ocid: str | None
    buyers: frozenset[str]
    order: tuple[datetime, Lane, str]
    lane: Lane
    step: Step
    updates: bool
    partial: bool
    deadline: datetime | None
    stays_open: bool
    old_rules: bool
    lots: frozenset[str]
    awards: frozenset[str]
    contracts: Mapping[str, str]


def notice_of(contract: Mapping[str, Any]) -> Notice:
    """Return what a contract document says of itself. Of its fields `LINEAGE_FIELDS` are read."""
    contract = {**contract, **{name: value for name, value in _LACKING.items() if contract.get(name) is None}}
    raw, notice_id = contract["rawData"], contract["noticeId"]
    guid = guid_of(contract["source"], notice_id)
    found_tags = tags(raw)
    lane = _lane(contract, found_tags)
    contracts = {
        part: _part(each.get("awardID"), notice_id) or part
        for each in _objects(raw, "contracts")
        if (part := _part(each.get("id"), notice_id))
    }
    awards = {part for each in _objects(raw, "awards") if (part := _part(each.get("id"), notice_id))}
    stays_open = any(each.get("hasDynamicPurchasingSystem") is True for each in _objects(raw, "tender", "techniques"))
    return Notice(
        id=notice_id,
        guid=guid,
        ocid=contract["ocid"],
        buyers=_buyers(contract),
        order=(contract["publishedDate"] or UNDATED, lane, notice_id),
        lane=lane,
        step=_step(contract, found_tags),
        # Contracts Finder says what updates what by the guid.
        updates=guid is None and _is_update(found_tags),
        partial=guid is None and _is_partial(contract, found_tags, about_awards=bool(awards or contracts)),
        # Stored before there was such a field: no corrigendum has moved its deadline yet.
        deadline=contract.get("statedDeadlineDate", contract["deadlineDate"]),
        stays_open=stays_open,
        old_rules=guid is None and contract["noticeType"] is None,
        lots=frozenset(found for each in _objects(raw, "tender", "lots") if (found := identifier(each.get("id")))),
        awards=frozenset({*awards, *contracts.values()}),
        contracts=contracts,
    )


def guid_of(source: str, notice_id: str) -> str | None:
    """Return what a notice's versions share on Contracts Finder; None for the other source."""
    return SOURCES[source].publisher.guid_of(notice_id)


def _lane(contract: Mapping[str, Any], found_tags: set[str]) -> Lane:
    if contract["noticeType"] in _MARKET_NOTICES:
        return Lane.MARKET
    cancelled = "tendercancellation" in found_tags
    return Lane.CANCELLATION if cancelled else Lane.__members__.get(contract.get("stage", ""), Lane.TENDER)


def _step(contract: Mapping[str, Any], found_tags: set[str]) -> Step:
    if found_tags & _ENDS_A_CONTRACT:
        return Step.ENDED
    if contract["noticeType"] is None and not any(tag.startswith("contract") for tag in found_tags):
        return Step.AWARDED
    return _STEPS.get(contract["noticeType"], Step.SIGNED)


def _is_update(found_tags: set[str]) -> bool:
    return any(tag.endswith("update") for tag in found_tags)


def _is_partial(contract: Mapping[str, Any], found_tags: set[str], *, about_awards: bool) -> bool:
    """Say whether a Find a Tender notice says only what changed.

    A corrigendum of the old rules has neither status, lots nor items (9 of 9 in one day), an update of the Procurement
    Act all of them (36 of 36).
    """
    if found_tags and found_tags <= _ASIDES:
        return True
    raw = contract["rawData"]
    if any(_has_content(tender) for tender in _objects(raw, "tender")):
        return False
    if contract["noticeType"] in _MARKET_NOTICES:
        return bool(contract["noticeType"] == _NEW_MEMBERS)
    return _is_update(found_tags) and not about_awards


def _has_content(tender: Mapping[str, Any]) -> bool:
    parts = (*_objects(tender, "lots"), *_objects(tender, "items"))
    return bool(text(tender.get("status"))) or any(identifier(each.get("id")) for each in parts)


def _buyers(contract: Mapping[str, Any]) -> frozenset[str]:
    # A name's key has no capitals and so is never taken for an id. Notices that name nobody are one family.
    return frozenset({found for found in (contract["buyerOrg"], name_key(contract["buyerName"])) if found} or {""})


def _part(value: object, notice_id: str) -> str | None:
    """Return the id of an award or contract; under the old rules it begins with the notice's own, which is left off."""
    found = identifier(value)
    return found.removeprefix(f"{notice_id}-") if found else None


def _objects(value: Mapping[str, Any], *path: str) -> list[Mapping[str, Any]]:
    """Return the JSON objects at `path`, of a whole release just as of one cut down to `LINEAGE_FIELDS`.

    So an object keyed by numbers is not opened (compare `dig.members`): a projection does not look into it either.
    """
    found: list[Any] = [value]
    for key in path:
        below = [each.get(key) for each in found if isinstance(each, dict)]
        found = [member for each in below for member in (each if isinstance(each, list) else [each])]
    return [each for each in found if isinstance(each, dict)]
