"""What a contract covers: goods, services or works, in which places, and whether the European Union pays for it."""

import re
from collections.abc import Mapping
from typing import Literal

from tender_sync.mapping.json_access import first_text, objects, texts
from tender_sync.mapping.parties import parties_with_role
from tender_sync.mapping.release import Release

ContractType = Literal["goods", "services", "works"]

_CONTRACT_TYPES: Mapping[str, ContractType] = {"goods": "goods", "services": "services", "works": "works"}
_NORTH = frozenset({"North East", "North West", "Yorkshire and the Humber", "East Midlands", "West Midlands"})
_ENGLAND = _NORTH | {"East of England", "London", "South East", "South West"}
_UNITED_KINGDOM = _ENGLAND | {"Scotland", "Wales", "Northern Ireland"}
_EU = r"(?:the\s+)?(?:EU\b|European\b|ERDF\b|ESF\b|ESIF\b|EAFRD\b|Interreg\b|Horizon\s+(?:2020|Europe)\b)"
_EU_FUNDED = re.compile(
    r"(?<!not )(?<!not being )\b(?:(?:part|co|match)[- ]?)?(?:funded|financed)\s+(?:in part |partly |wholly )?"
    rf"(?:by|from|through|under)\s+{_EU}"
    r"|\b(?:EU|ERDF|ESF|ESIF|EAFRD)[- ](?:funded|financed)\b",
    re.IGNORECASE,
)
_EU_NAME = re.compile(r"^(?:EU$|European\b)", re.IGNORECASE)


def contract_type(release: Release) -> ContractType | None:
    """Return the main category: of the tender, else of the awards, where award notices of the Act have it."""
    parts = [*release.tenders, *release.awards, *release.contracts]
    categories = [found.lower() for found in texts(parts, "mainProcurementCategory")]
    return next((_CONTRACT_TYPES[category] for category in categories if category in _CONTRACT_TYPES), None)


def geographic_scope(release: Release) -> str | None:
    """Return where the contract is carried out: each place once, joined by commas.

    Find a Tender names regions by ITL (formerly NUTS) code, Contracts Finder by name. An address without a region
    counts by its country. Postcodes and descriptions of places count only where no region and no country is stated.
    """
    items = objects([*release.tenders, *release.awards, *release.contracts], "items")
    addresses = objects(items, "deliveryAddresses")
    regions = [found for each in addresses if (found := first_text(each, ("region",), ("countryName",)))]
    places = regions or texts(addresses, "postalCode") or texts(items, "deliveryLocation", "description")
    return ", ".join(dict.fromkeys(places)) or None


def delivery_region(release: Release) -> str | None:
    """Return the name of the region to deliver to, or of the country that several make up; None for any other several.

    Of 124 Contracts Finder releases 71 name one or more; the two that name nine and twelve mean the whole country.
    """
    regions = frozenset(texts(release.tenders, "items", "deliveryAddresses", "region"))
    if len(regions) == 1:
        return next(iter(regions))
    return {_ENGLAND: "England", _UNITED_KINGDOM: "United Kingdom"}.get(regions)


def has_eu_funding(release: Release) -> bool | None:
    """Tell whether the European Union pays a part: by the published structures, else by the notice's own words.

    The EU profile of OCDS names the Union as a party in the role `funder` and as `financingParty` of the budget; a
    budget's `sourceParty` counts too. False only where all funders named are others. Words alone never give False.
    """
    budgets = objects(release.json, "planning", "budget")
    funders = [
        *texts(parties_with_role(release, "funder"), "name"),
        *texts([*budgets, *release.contracts], "finance", "financingParty", "name"),
        *texts(budgets, "budgetBreakdown", "sourceParty", "name"),
    ]
    if funders:
        return any(_EU_NAME.match(name) for name in funders)
    described = texts([release.json, *release.tenders, *release.lots], "description")
    # The pattern is slow, and most texts say nothing of money.
    of_money = (each for each in described if any(word in each.lower() for word in ("funded", "financed")))
    return True if any(_EU_FUNDED.search(each) for each in of_money) else None
