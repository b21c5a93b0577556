"""Reads the facts of one notice that lineage needs: what it announces, how far it is, and which lots and awards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from tender_sync.identity.buyer_keys import name_key
from tender_sync.mapping.json_access import identifier, text, words
from tender_sync.mapping.parties import UNKNOWN_BUYER
from tender_sync.mapping.release import MARKET_NOTICES
from tender_sync.sources import SOURCES

# The only fields of a contract that are read: some hundred bytes of ten thousand.
LINEAGE_FIELDS = (
    *("source", "noticeId", "ocid", "buyerOrg", "buyerName", "stage", "noticeType"),
    *("publishedDate", "deadlineDate", "statedDeadlineDate"),
    *("rawData.tag", "rawData.tender.status", "rawData.tender.lots.id", "rawData.tender.items.id"),
    "rawData.tender.techniques.hasDynamicPurchasingSystem",
    *("rawData.awards.id", "rawData.contracts.id", "rawData.contracts.awardID"),
)

UNDATED = datetime.min.replace(tzinfo=UTC)
_CONTRACT_ENDS = frozenset({"contracttermination", "awardcancellation"})
# UK10 and the performance notices tell what changed or was measured of a contract, not the contract itself.
_CONTRACT_NEWS = frozenset({"contractamendment", "implementation", "implementationupdate"})


class Kind(IntEnum):
    """What a notice announces. Dynamic market notices relate only to one another."""

    PLANNING = 0
    TENDER = 1
    AWARD = 2
    CANCELLATION = 3
    MARKET = 4


class Step(IntEnum):
    """How far an award is: intended (UK5), awarded (UK6), signed (UK7, and all under the old rules), ended (UK11)."""

    INTENDED = 0
    AWARDED = 1
    SIGNED = 2
    ENDED = 3


@dataclass(frozen=True, eq=False)
class Notice:
    """The facts that lineage needs of one contract document.

    `guid`: what all versions of a notice share; only Contracts Finder has it. `buyers`: the buyer's id and name key.
    `order`: sorts notices by publication. `is_partial`: it publishes only what changed (a corrigendum of the old rules,
    a contract change, a market's new members), so it cannot supersede a full notice. `deadline`: the one that the
    notice states itself. `stays_open`: a dynamic purchasing system takes requests until its deadline, also after
    awards. `is_old_rules`: published under the rules before the Procurement Act. `contracts`: the award id of each
    contract id.
    """

    id: str
    guid: str | None
    ocid: str | None
    buyers: frozenset[str]
    order: tuple[datetime, Kind, str]
    kind: Kind
    step: Step
    is_update: bool
    is_partial: bool
    deadline: datetime | None
    stays_open: bool
    is_old_rules: bool
    lots: frozenset[str]
    awards: frozenset[str]
    contracts: Mapping[str, str]


def notice_of(contract: Mapping[str, Any]) -> Notice:
    """Return the facts of a contract document. Only `LINEAGE_FIELDS` are read; old documents may lack most of them."""
    release, notice_id = contract.get("rawData") or {}, contract["noticeId"]
    guid = SOURCES[contract["source"]].publisher.guid_of(notice_id)
    notice_type, found_tags = contract.get("noticeType"), words(release, "tag")
    kind = _kind(contract, found_tags)
    contracts = {
        contract_id: _part_id(each.get("awardID"), notice_id) or contract_id  # one that names no award is its own
        for each in _objects(release, "contracts")
        if (contract_id := _part_id(each.get("id"), notice_id))
    }
    own_awards = (_part_id(each.get("id"), notice_id) for each in _objects(release, "awards"))
    awards = frozenset({*filter(None, own_awards), *contracts.values()})
    # A name's key has no capitals, so it never equals an id. Notices without any buyer are one family.
    buyers = {contract.get("buyerOrg"), name_key(contract.get("buyerName") or UNKNOWN_BUYER)}
    # Contracts Finder tells by the guid which notice is an update, and publishes every version in full.
    on_find_a_tender = guid is None
    return Notice(
        id=notice_id,
        guid=guid,
        ocid=contract.get("ocid"),
        buyers=frozenset(filter(None, buyers)) or frozenset({""}),
        order=(contract.get("publishedDate") or UNDATED, kind, notice_id),
        kind=kind,
        step=_step(notice_type, found_tags),
        is_update=on_find_a_tender and _is_update(found_tags),
        is_partial=on_find_a_tender and _is_partial(release, notice_type, found_tags, names_awards=bool(awards)),
        # Documents without `statedDeadlineDate` are older than the field: no corrigendum has moved their deadline yet.
        deadline=contract["statedDeadlineDate"] if "statedDeadlineDate" in contract else contract.get("deadlineDate"),
        stays_open=any(
            each.get("hasDynamicPurchasingSystem") is True for each in _objects(release, "tender", "techniques")
        ),
        is_old_rules=on_find_a_tender and notice_type is None,
        lots=frozenset(lot for each in _objects(release, "tender", "lots") if (lot := identifier(each.get("id")))),
        awards=awards,
        contracts=contracts,
    )


def _kind(contract: Mapping[str, Any], found_tags: set[str]) -> Kind:
    if contract.get("noticeType") in MARKET_NOTICES:
        return Kind.MARKET
    if "tendercancellation" in found_tags:
        return Kind.CANCELLATION
    return Kind.__members__.get(contract.get("stage", ""), Kind.TENDER)


def _step(notice_type: str | None, found_tags: set[str]) -> Step:
    if found_tags & _CONTRACT_ENDS:
        return Step.ENDED
    if notice_type is None and not any(tag.startswith("contract") for tag in found_tags):
        return Step.AWARDED
    return {"UK5": Step.INTENDED, "UK6": Step.AWARDED}.get(notice_type or "", Step.SIGNED)


def _is_update(found_tags: set[str]) -> bool:
    return any(tag.endswith("update") for tag in found_tags)


def _is_partial(
    release: Mapping[str, Any], notice_type: str | None, found_tags: set[str], *, names_awards: bool
) -> bool:
    """Return whether a Find a Tender notice publishes only what changed.

    A corrigendum of the old rules has neither status, lots nor items (9 of 9 in one day). An update under the
    Procurement Act has all of them (36 of 36).
    """
    if found_tags and found_tags <= _CONTRACT_NEWS:
        return True
    parts = (*_objects(release, "tender", "lots"), *_objects(release, "tender", "items"))
    has_status = any(text(tender.get("status")) for tender in _objects(release, "tender"))
    if has_status or any(identifier(each.get("id")) for each in parts):
        return False
    if notice_type in MARKET_NOTICES:
        return notice_type == "UK15"  # a market's new members
    return _is_update(found_tags) and not names_awards


def _part_id(value: object, notice_id: str) -> str | None:
    """Return the id of an award or contract without the notice id, with which it begins under the old rules."""
    found = identifier(value)
    return found.removeprefix(f"{notice_id}-") if found else None


def _objects(value: Mapping[str, Any], *path: str) -> list[Mapping[str, Any]]:
    """Return the JSON objects at `path`: the same from a whole release as from its projection to `LINEAGE_FIELDS`.

    Unlike `json_access.objects` this does not look into an object keyed by numbers, as a MongoDB projection does not.
    """
    found: list[Any] = [value]
    for key in path:
        below = [each.get(key) for each in found if isinstance(each, dict)]
        found = [member for each in below for member in (each if isinstance(each, list) else [each])]
    return [each for each in found if isinstance(each, dict)]
