"""A release as the mapper's rules read it: its parts, the kind of notice it is, its stage and its status."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from json import dumps
from typing import Any, Literal

from tender_sync.mapping.json_access import first_text, identifier, objects, text, word, words

Stage = Literal["PLANNING", "TENDER", "AWARD"]
Status = Literal["OPEN", "CLOSED", "AWARDED", "CANCELLED"]

# The releaseTag code list of OCDS 1.1, in lower case. Of several tags the latest stage counts: a release tagged
# planning and tender (7 of 11,036 in 30 days) is a tender.
_TAGS_OF_STAGE: Mapping[Stage, tuple[str, ...]] = {
    "AWARD": (
        *("award", "awardupdate", "awardcancellation", "implementation", "implementationupdate"),
        *("contract", "contractupdate", "contractamendment", "contracttermination"),
    ),
    "TENDER": ("tender", "tenderamendment", "tenderupdate", "tendercancellation"),
    "PLANNING": ("planning", "planningupdate"),
}
# These tags decide the status, whatever tender.status says: a tenderCancellation was found with status `complete`,
# `withdrawn`, `cancelled` and none.
_STATUS_OF_TAG: Mapping[str, Status] = {
    "tendercancellation": "CANCELLED",
    "awardcancellation": "CANCELLED",
    "contracttermination": "CLOSED",
}
# The tenderStatus code list. Without a status, or with one that is not listed, a tender is not OPEN: updates leave the
# status out.
_STATUS_OF_TENDER: Mapping[str | None, Status] = {
    "planning": "OPEN",
    "planned": "OPEN",
    "active": "OPEN",
    "complete": "CLOSED",
    "unsuccessful": "CLOSED",
    "cancelled": "CANCELLED",
    "withdrawn": "CANCELLED",
}
# Establishment, modification and end of a dynamic market (the Procurement Act's list of notices). They are tagged award
# and contract, but list the market's members (up to 127 "awards" without a value): nothing was bought.
DYNAMIC_MARKETS = frozenset({"UK14", "UK15", "UK16"})
# With UK13, a dynamic market that is intended.
MARKET_NOTICES = DYNAMIC_MARKETS | {"UK13"}
_NOTICE_TYPE = re.compile(r"UK[0-9]{1,2}")
_DOCUMENTS = (
    *((section, "documents") for section in ("planning", "tender", "awards", "contracts")),
    ("contracts", "implementation", "documents"),
)


class Release:
    """A release, whose parts are looked up once for all rules. `json` is the whole release.

    Every part is a list, even where OCDS has only one: publishers have put lists where one thing is due.
    """

    def __init__(self, json: Mapping[str, Any]) -> None:
        self.json = json

    @cached_property
    def tenders(self) -> list[dict[str, Any]]:
        """The tender."""
        return objects(self.json, "tender")

    @cached_property
    def lots(self) -> list[dict[str, Any]]:
        """The lots of the tender."""
        return _each_once(objects(self.tenders, "lots"))

    @cached_property
    def awards(self) -> list[dict[str, Any]]:
        """All awards, also failed ones. Repeated ones stay beside contracts, which may go by their order (`values`)."""
        awards = objects(self.json, "awards")
        return awards if self.contracts else _each_once(awards)

    @cached_property
    def standing_awards(self) -> list[dict[str, Any]]:
        """The awards that did not fail; one without a status stands (376 of Procurement Act notices)."""
        return _not_failed(self.awards)

    @cached_property
    def contract_awards(self) -> list[dict[str, Any]]:
        """The standing awards of contracts; none in notices of dynamic markets, whose members got no contract."""
        return [] if self.notice_type in DYNAMIC_MARKETS else self.standing_awards

    @cached_property
    def contracts(self) -> list[dict[str, Any]]:
        """All contracts, also cancelled ones."""
        return _each_once(objects(self.json, "contracts"))

    @cached_property
    def standing_contracts(self) -> list[dict[str, Any]]:
        """The contracts that were not cancelled; a terminated one was still made."""
        return _not_failed(self.contracts)

    @cached_property
    def parties(self) -> list[dict[str, Any]]:
        """The organisations."""
        return objects(self.json, "parties")

    @cached_property
    def documents(self) -> list[dict[str, Any]]:
        """The documents of all parts; awards repeat the notice's own."""
        return [document for path in _DOCUMENTS for document in objects(self.json, *path)]

    @cached_property
    def notice_documents(self) -> list[dict[str, Any]]:
        """The documents that publish a notice (`documentType` ends in "Notice"); attachments do not."""
        return [each for each in self.documents if (word(each, "documentType") or "").endswith("notice")]

    @cached_property
    def notice_type(self) -> str | None:
        """The Procurement Act notice type (`UK4`) of the document with the release's own id, else of the last one."""
        last = None
        for document in self.notice_documents:
            found = (text(document.get("noticeType")) or "").upper()
            if _NOTICE_TYPE.fullmatch(found):
                last = found
                if identifier(document.get("id")) == identifier(self.json.get("id")):
                    return found
        return last

    @cached_property
    def regime(self) -> str | None:
        """The scheme of the legal basis: `UKPGA` (Procurement Act 2023), `CELEX` (the older rules), None."""
        return (first_text(self.tenders, ("legalBasis", "scheme")) or "").upper() or None

    @cached_property
    def tags(self) -> set[str]:
        """The release tags in lower case."""
        return words(self.json, "tag")

    @cached_property
    def stage(self) -> Stage:
        """The stage: by the tags, or by what the release holds; docs/CONTRACTS.md has the rules."""
        if self.notice_type in DYNAMIC_MARKETS:
            return "TENDER"
        tagged = next((stage for stage, known in _TAGS_OF_STAGE.items() if not self.tags.isdisjoint(known)), None)
        if (self.standing_awards or self.standing_contracts) and not self._ending:
            return "AWARD"
        is_planned = objects(self.json, "planning") or self._tender_status in {"planning", "planned"}
        return tagged or ("PLANNING" if is_planned else "TENDER")

    @cached_property
    def status(self) -> Status:
        """The status: from the tags, tender.status and the outcome of the awards; docs/CONTRACTS.md has the cases."""
        if self._ending:
            return self._ending
        if self.notice_type in DYNAMIC_MARKETS:
            return "CLOSED"
        of_tender = _STATUS_OF_TENDER.get(self._tender_status, "CLOSED")
        if self.stage != "AWARD":
            return of_tender
        # The lots do not count: 143 of 153 old-regime award notices call them cancelled beside active awards.
        outcomes = {word(award, "status") for award in self.awards}
        no_outcome = not outcomes and self._tender_status not in {"unsuccessful", "cancelled", "withdrawn"}
        if self.standing_awards or self.standing_contracts or no_outcome:
            return "AWARDED"
        return "CANCELLED" if of_tender == "CANCELLED" or outcomes == {"cancelled"} else "CLOSED"

    @property
    def _tender_status(self) -> str | None:
        return word(self.tenders, "status")

    @property
    def _ending(self) -> Status | None:
        return next((status for tag, status in _STATUS_OF_TAG.items() if tag in self.tags), None)


def map_stage(release: Mapping[str, Any]) -> Stage:
    """Return the stage of a release (`Release.stage`)."""
    return Release(release).stage


def map_status(release: Mapping[str, Any]) -> Status:
    """Return the status of a release (`Release.status`)."""
    return Release(release).status


def _each_once(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out parts that repeat an earlier one word for word, id included: their amounts would count twice."""
    if len({identifier(each.get("id")) for each in found}) == len(found):  # nearly always: no id is there twice
        return found
    once: dict[str | int, dict[str, Any]] = {}
    for place, each in enumerate(found):
        once.setdefault(dumps(each, sort_keys=True) if identifier(each.get("id")) else place, each)
    return list(once.values())


def _not_failed(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in found if word(each, "status") not in {"unsuccessful", "cancelled"}]
