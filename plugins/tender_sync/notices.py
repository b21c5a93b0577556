"""What kind of notice a release is, and so its stage and status."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from tender_sync.dig import first_text, identifier, objects, text, texts, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Stage = Literal["PLANNING", "TENDER", "AWARD"]
Status = Literal["OPEN", "CLOSED", "AWARDED", "CANCELLED"]

# The releaseTag code list of OCDS 1.1, in lower case. Later stages stand later: a release tagged planning and
# tender (7 of 11,036 in 30 days) is a tender.
_STAGE_OF_TAG: Mapping[str, Stage] = {
    "planning": "PLANNING",
    "planningupdate": "PLANNING",
    "tender": "TENDER",
    "tenderamendment": "TENDER",
    "tenderupdate": "TENDER",
    "tendercancellation": "TENDER",
    "award": "AWARD",
    "awardupdate": "AWARD",
    "awardcancellation": "AWARD",
    "contract": "AWARD",
    "contractupdate": "AWARD",
    "contractamendment": "AWARD",
    "contracttermination": "AWARD",
    "implementation": "AWARD",
    "implementationupdate": "AWARD",
}
# These tags say how it ended, whatever tender.status says: a tenderCancellation was found with status
# `complete`, `withdrawn`, `cancelled` and none.
_STATUS_OF_TAG: Mapping[str, Status] = {
    "tendercancellation": "CANCELLED",
    "awardcancellation": "CANCELLED",
    "contracttermination": "CLOSED",
}
# The tenderStatus code list. A word not listed, and no word at all, is not OPEN: updates leave the status
# out.
_STATUS_OF_TENDER: Mapping[str | None, Status] = {
    "planning": "OPEN",
    "planned": "OPEN",
    "active": "OPEN",
    "complete": "CLOSED",
    "unsuccessful": "CLOSED",
    "cancelled": "CANCELLED",
    "withdrawn": "CANCELLED",
}
_FAILED = frozenset({"unsuccessful", "cancelled"})
# Establishment, modification and end of a dynamic market (the Procurement Act's list of notices). They are
# tagged award and contract, but list the market's members (up to 127 "awards" without a value): nothing was
# bought.
DYNAMIC_MARKETS = frozenset({"UK14", "UK15", "UK16"})
_NOTICE_TYPE = re.compile(r"UK[0-9]{1,2}")
DOCUMENTS = (
    *((section, "documents") for section in ("planning", "tender", "awards", "contracts")),
    ("contracts", "implementation", "documents"),
)


def map_stage(release: Mapping[str, Any]) -> Stage:
    """Return the stage of a release: by its tags, or by what it holds where no tag is known.

    A release that holds a standing award or contract is at the award stage even when tagged otherwise. Notices
    of dynamic markets are at the tender stage, since nothing is awarded by them.
    """
    if notice_type(release) in DYNAMIC_MARKETS:
        return "TENDER"
    stages = [_STAGE_OF_TAG[tag] for tag in tags(release) if tag in _STAGE_OF_TAG]
    if "AWARD" in stages or ((live_awards(release) or live_contracts(release)) and not _ending(release)):
        return "AWARD"
    if stages:
        return "TENDER" if "TENDER" in stages else "PLANNING"
    if objects(release, "planning") or word(release, "tender", "status") in {"planning", "planned"}:
        return "PLANNING"
    return "TENDER"


def map_status(release: Mapping[str, Any]) -> Status:
    """Return the status of a release from its tags, tender.status and the outcome of its awards together.

    A deadline that has passed does not close a tender here: the mapper has no clock.
    """
    ending = _ending(release)
    if ending:
        return ending
    if notice_type(release) in DYNAMIC_MARKETS:
        return "CLOSED"
    if map_stage(release) == "AWARD":
        return _status_of_awards(release)
    return _STATUS_OF_TENDER.get(word(release, "tender", "status"), "CLOSED")


def _ending(release: Mapping[str, Any]) -> Status | None:
    found = tags(release)
    return next((status for tag, status in _STATUS_OF_TAG.items() if tag in found), None)


def _status_of_awards(release: Mapping[str, Any]) -> Status:
    """Return AWARDED unless every award failed, or there is none and the tender ended otherwise.

    The lots are not asked: 143 of 153 old-regime award notices call them cancelled beside active awards.
    """
    if live_awards(release) or live_contracts(release):
        return "AWARDED"
    outcomes = {word(award, "status") for award in objects(release, "awards")}
    tender_status = word(release, "tender", "status")
    if not outcomes and tender_status not in {"unsuccessful", "cancelled", "withdrawn"}:
        return "AWARDED"
    cancelled = outcomes == {"cancelled"} or _STATUS_OF_TENDER.get(tender_status) == "CANCELLED"
    return "CANCELLED" if cancelled else "CLOSED"


def live_awards(release: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the awards that stand, those without a status included (376 of Procurement Act notices)."""
    return _not_failed(objects(release, "awards"))


def contract_awards(release: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the awards that stand and award a contract: the members of a dynamic market were given none."""
    return [] if notice_type(release) in DYNAMIC_MARKETS else live_awards(release)


def live_contracts(release: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the contracts that were not cancelled; a terminated one was still made."""
    return _not_failed(objects(release, "contracts"))


def _not_failed(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in found if word(each, "status") not in _FAILED]


def tags(release: Mapping[str, Any]) -> set[str]:
    """Return the release tags in lower case."""
    return {tag.lower() for tag in texts(release, "tag")}


def notice_documents(release: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the documents that publish a notice (`documentType` ends in "Notice"), attachments left out."""
    found = [document for path in DOCUMENTS for document in objects(release, *path)]
    return [document for document in found if (word(document, "documentType") or "").endswith("notice")]


def notice_type(release: Mapping[str, Any]) -> str | None:
    """Return the Procurement Act notice type (`UK4`); None for old-regime and Contracts Finder notices.

    It stands on the document whose id is the release's own; without such a document the last one is taken.
    """
    typed = [
        (identifier(document.get("id")) == identifier(release.get("id")), found.upper())
        for document in notice_documents(release)
        if (found := text(document.get("noticeType"))) and _NOTICE_TYPE.fullmatch(found.upper())
    ]
    own = [found for is_own, found in typed if is_own]
    return next(iter(own or [found for _, found in typed[-1:]]), None)


def regime(release: Mapping[str, Any]) -> str | None:
    """Return the scheme of the legal basis: `UKPGA` (Procurement Act 2023), `CELEX` (the older rules), None."""
    found = first_text(release, ("tender", "legalBasis", "scheme"))
    return found.upper() if found else None
