"""The organisations of a release, by role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

from tender_sync.mapping.json_access import first_text, identifier, line, objects, text, words
from tender_sync.mapping.links import web_address
from tender_sync.mapping.release import Release
from tender_sync.sources import SOURCES

UNKNOWN_BUYER = "Unknown"
# The roles of who buys. The last two count where no party is called the buyer (none of 1,651 Find a Tender releases).
_BUYER_ROLES = ("buyer", "procuringentity", "centralpurchasingbody")

_EMAIL = re.compile(r"[^\s<>@,;:()]+@(?:[\w-]+\.)+[\w-]+")
_NO_TELEPHONE = re.compile(r"(?:\+44)?\D*(?:([0-9])(?:\D|\1)*)?")  # "0", "+44 0", "111111111", "REDACTED"
# An organisation's id as OCDS has it: the register's code of org-id.guide, a hyphen, the id in that register.
_REGISTERED = re.compile(r"(?P<register>[A-Z]{2,3}-[A-Z0-9]+)-.")


class BuyerContact(TypedDict):
    """The person or office to write to or call; a missing part is None."""

    name: str | None
    email: str | None
    telephone: str | None


class AwardedSupplier(TypedDict):
    """One supplier a contract was awarded to, with the publisher's id."""

    name: str
    supplierId: str | None


class Buyer(NamedTuple):
    """The organisation that buys: id and name as published, and its party with the rest (empty when there is none)."""

    id: str | None
    name: str | None
    party: dict[str, Any]

    @property
    def region(self) -> str | None:
        """The ITL (formerly NUTS) code of the address: every Find a Tender buyer has one, no Contracts Finder buyer."""
        return first_text(self.party, ("address", "region"))

    @property
    def website(self) -> str | None:
        """The organisation's web address, if it is one that a browser opens."""
        return web_address(first_text(self.party, ("details", "url"), ("contactPoint", "url")))

    @property
    def contact(self) -> BuyerContact | None:
        """The first contact point that says anything; None when none does."""
        for point in (*objects(self.party, "contactPoint"), *objects(self.party, "additionalContactPoints")):
            email, telephone = _EMAIL.search(text(point.get("email")) or ""), line(point.get("telephone")) or ""
            found = BuyerContact(
                name=line(point.get("name")),
                email=email[0] if email else None,
                telephone=None if _NO_TELEPHONE.fullmatch(telephone) else telephone,
            )
            if any(found.values()):
                return found
        return None


def buyer_of(release: Release) -> Buyer:
    """Return the buyer: the `buyer` object or, where that says nothing, the first party with a role of `_BUYER_ROLES`.

    35 of 1,651 Find a Tender releases have no `buyer` though a party has the role; 21 name several buyers, of which
    `buyer` is the first.
    """
    named = next((found for found in objects(release.json, "buyer") if _id(found) or _name(found)), None)
    candidates = next((found for role in _BUYER_ROLES if (found := parties_with_role(release, role))), [])
    if named is None:
        party = next((found for found in candidates if _id(found) or _name(found)), next(iter(candidates), {}))
        return Buyer(_id(party), _name(party), party)
    party = _same_organisation(named, [*candidates, *release.parties])
    if not party and not _name(named) and len(candidates) == 1:
        party = candidates[0]  # `buyer` is only an id, and no party has it: the one party with the role is meant
    return Buyer(_id(named) or _id(party), _name(named) or _name(party), party)


def awarded_suppliers(release: Release) -> list[AwardedSupplier]:
    """Return the suppliers of the standing awards and contracts, each once, in document order.

    A later notice (a change, an end) repeats no award, or only its id, and so lists none: then the parties in the role
    count. Where an award failed, or is none (a dynamic market's member), these may be its own, and do not count.

    A supplier without a name in the award (one was `null`) has that of its party, or is left out. One id is one
    supplier. One name is one supplier, too, unless registers gave it several ids: an award named its supplier under two
    numbers of its registrations with the service.
    """
    listed = objects([*release.contract_awards, *release.standing_contracts], "suppliers")
    all_stand = len(release.contract_awards) == len(release.awards)
    if not listed and release.stage == "AWARD" and all_stand:
        listed = parties_with_role(release, "supplier")
    suppliers = [
        AwardedSupplier(name=name, supplierId=_id(each))
        for each in listed
        if (name := _name(each) or _name(_same_organisation(each, release.parties)))
    ]
    names = {each["name"] for each in suppliers if register_of(each["supplierId"])}
    found: dict[str, AwardedSupplier] = {}
    for each in suppliers:
        if register_of(each["supplierId"]) or each["name"] not in names:
            names.add(each["name"])
            found.setdefault(each["supplierId"] or each["name"], each)
    return list(found.values())


def register_of(published: str | None) -> str | None:
    """Return the register that an id is from (`GB-COH`), if an organisation has one id there for good; else None.

    The services' own ids (`GB-FTS-n`, `GB-CFS-n`) do not count: an organisation may have several. An id without a
    register's prefix says nothing outside its notice.
    """
    found = _REGISTERED.match(published or "")
    if found is None or any(found["register"] == source.publisher.own_register for source in SOURCES.values()):
        return None
    return found["register"]


def parties_with_role(release: Release, role: str) -> list[dict[str, Any]]:
    """Return the parties that have `role`, in document order."""
    return [party for party in release.parties if role in words(party, "roles")]


def _same_organisation(named: dict[str, Any], candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the first candidate of the same id, else of the same name, else an empty object."""
    keys = (key for key in (_id, _name) if key(named))
    return next((party for key in keys for party in candidates if key(party) == key(named)), {})


def _id(organisation: Mapping[str, Any]) -> str | None:
    return identifier(organisation.get("id"))


def _name(organisation: Mapping[str, Any]) -> str | None:
    return line(organisation.get("name"))
