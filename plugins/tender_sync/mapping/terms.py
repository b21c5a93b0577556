"""On what terms a contract is let: how, to whom, where, with whose money, and how to take part."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tender_sync.mapping.dates import parse_date
from tender_sync.mapping.json_access import any_true, first_text, line, objects, text, texts, walk, word
from tender_sync.mapping.links import address_within
from tender_sync.mapping.lots import has_renewal
from tender_sync.mapping.parties import parties_with_role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tender_sync.mapping.release import Release

ContractType = Literal["goods", "services", "works"]

_CONTRACT_TYPES: Mapping[str, ContractType] = {"goods": "goods", "services": "services", "works": "works"}
# Find a Tender's code for "may bids be sent electronically": allowed, required, notAllowed.
_ELECTRONIC = frozenset({"allowed", "required"})
_HOW_TO_APPLY = re.compile(
    r"\b(?:apply|adverts?|access|respond|responses?|submit\w*|submissions?|register|registration|portal|log ?in"
    r"|electronically)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|[\r\n]+")
_PUBLISHERS_PAGE = re.compile(r"https?://www\.(?:contractsfinder|find-tender)\.service\.gov\.uk/", re.IGNORECASE)
_EU = r"(?:the\s+)?(?:EU\b|European\b|ERDF\b|ESF\b|ESIF\b|EAFRD\b|Interreg\b|Horizon\s+(?:2020|Europe)\b)"
_EU_FUNDED = re.compile(
    r"(?<!not )(?<!not being )\b(?:(?:part|co|match)[- ]?)?(?:funded|financed)\s+(?:in part |partly |wholly )?"
    rf"(?:by|from|through|under)\s+{_EU}"
    r"|\b(?:EU|ERDF|ESF|ESIF|EAFRD)[- ](?:funded|financed)\b",
    re.IGNORECASE,
)
_EU_NAME = re.compile(r"^(?:EU$|European\b)", re.IGNORECASE)


class Renewal(NamedTuple):
    """Whether a contract may be renewed or extended, and the notice's words on it."""

    possible: bool | None
    description: str | None


def procurement_method_details(release: Release) -> str | None:
    """Return the procedure's name, as one line; Contracts Finder's "Other - " loses its dash."""
    found = line(first_text(release.tenders, ("procurementMethodDetails",)))
    return found.removesuffix(" -").rstrip() if found else None


def contract_type(release: Release) -> ContractType | None:
    """Return the main category: of the tender, or of the awards, where award notices of the Act have it."""
    parts = [*release.tenders, *release.awards, *release.contracts]
    categories = [found.lower() for found in texts(parts, "mainProcurementCategory")]
    return next((_CONTRACT_TYPES[category] for category in categories if category in _CONTRACT_TYPES), None)


def submission_method(release: Release) -> list[str]:
    """Return how bids may be sent, as codes of OCDS: as listed, or electronically where the Act's notices allow it."""
    listed = list(dict.fromkeys(texts(release.tenders, "submissionMethod")))
    terms = objects([*release.tenders, *release.lots], "submissionTerms")
    policies = {word(each, "electronicSubmissionPolicy") for each in terms}
    return listed or (["electronicSubmission"] if policies & _ELECTRONIC else [])


def submission_portal_url(release: Release) -> str | None:
    """Return where bids are made: the first address within the instructions that notices have for it.

    Contracts Finder has none. Its tenders link to the buyer's portal among their documents ("Advert",
    "Electronically via (URL)"), or say in a sentence of the description where to apply.
    """
    tenders = release.tenders
    stated = [*walk(tenders, "submissionMethodDetails"), *walk(tenders, "communication", "atypicalToolUrl")]
    told = _links(tenders) if release.stage == "TENDER" else iter(())
    return next((found for each in chain(stated, told) if (found := address_within(each))), None)


def _links(tenders: list[dict[str, Any]]) -> Iterator[object]:
    """Yield what may hold a portal's address: links that say so, sentences that do, other links (no files)."""
    documents = [document for document in objects(tenders, "documents") if document.get("format") is None]
    outside = [d for d in documents if not _PUBLISHERS_PAGE.match(text(d.get("url")) or "")]
    yield from walk(outside, "accessDetails")
    yield from (d.get("url") for d in outside if _HOW_TO_APPLY.search(text(d.get("description")) or ""))
    for told in texts(tenders, "description"):
        yield from (sentence for sentence in _SENTENCE_END.split(told) if _HOW_TO_APPLY.search(sentence))
    yield from walk(outside, "url")


def suitable_for(release: Release, whom: Literal["sme", "vcse"]) -> bool | None:
    """Return the published flag: of the tender (Contracts Finder) or any lot (the Act, which states only true ones).

    A contract reserved for them is suitable for them. Texts are not asked: small firms are mentioned in all ways.
    """
    flags = [
        any_true(release.tenders, "suitability", whom),
        any_true(release.lots, "suitability", whom),
        any(whom in code.lower() for code in texts(release.tenders, "otherRequirements", "reservedParticipation"))
        or None,
    ]
    return True if True in flags else False if False in flags else None


def renewal(release: Release) -> Renewal:
    """Return what contracts, awards or lots say of renewal, the first of these that says anything.

    A period that may be extended (a `maxExtentDate` after its end) can be renewed.
    """
    for parts, period in (
        (release.standing_contracts, "period"),
        (objects(release.standing_contracts, "proposedAmendments"), "period"),
        (release.standing_awards, "contractPeriod"),
        (release.lots, "contractPeriod"),
        (release.tenders, "contractPeriod"),
    ):
        extends = any(map(_extends, objects(parts, period)))
        flags = {has_renewal(part) for part in parts}
        possible = True if extends or True in flags else False if False in flags else None
        if possible is not None:
            return Renewal(possible, first_text(parts, ("renewal", "description")))
    return Renewal(None, None)


def _extends(period: Mapping[str, Any]) -> bool:
    end, furthest = (parse_date(period.get(key), end_of_day=True) for key in ("endDate", "maxExtentDate"))
    return furthest is not None and (end is None or furthest > end)


def geographic_scope(release: Release) -> str | None:
    """Return where the contract is carried out, each place once, joined by commas.

    Find a Tender names regions by ITL (formerly NUTS) code, Contracts Finder by name. An address without a
    region counts by its country. Postcodes and descriptions of places stand in only where nothing else is said.
    """
    items = objects([*release.tenders, *release.awards, *release.contracts], "items")
    addresses = objects(items, "deliveryAddresses")
    named = [first_text(address, ("region",), ("countryName",)) for address in addresses]
    exact = texts(addresses, "postalCode") or texts(items, "deliveryLocation", "description")
    places = [place for place in named if place] or exact
    return ", ".join(dict.fromkeys(places)) or None


def has_eu_funding(release: Release) -> bool | None:
    """Return whether the European Union pays a part, by the published structures, else by the notice's own words.

    The EU profile of OCDS names it as a party in the role `funder` and as `financingParty` of the budget; a
    budget's `sourceParty` counts too. Funders named that are all others give False. Words only ever give True.
    """
    funders = [*_funders(release)]
    if funders:
        return any(_EU_NAME.match(name) for name in funders)
    told = texts([release.json, *release.tenders, *release.lots], "description")
    # The pattern is slow, and most texts say nothing of money.
    of_money = (words for words in told if any(named in words.lower() for named in ("funded", "financed")))
    return True if any(_EU_FUNDED.search(words) for words in of_money) else None


def _funders(release: Release) -> Iterator[str]:
    yield from texts(parties_with_role(release, "funder"), "name")
    budgets = objects(release.json, "planning", "budget")
    yield from texts(budgets, "finance", "financingParty", "name")
    yield from texts(budgets, "budgetBreakdown", "sourceParty", "name")
    yield from texts(release.contracts, "finance", "financingParty", "name")
