"""The organisations of a release, by role."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from tender_sync.mapping.json_access import first_text, identifier, line, objects, text, words
from tender_sync.mapping.links import web_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tender_sync.mapping.release import Release

UNKNOWN_BUYER = "Unknown"
# Who buys, by role: the last two only where no party is called the buyer (none of 1,651 Find a Tender releases).
_BUYING = ("buyer", "procuringentity", "centralpurchasingbody")

_EMAIL = re.compile(r"[^\s<>@,;:()]+@(?:[\w-]+\.)+[\w-]+")
_NO_NUMBER = re.compile(r"(?:\+44)?\D*(?:([0-9])(?:\D|\1)*)?")  # "0", "+44 0", "111111111", "REDACTED"
# An organisation's id as OCDS has it: the register's code of org-id.guide, a hyphen, the id in that register.
_REGISTERED = re.compile(r"([A-Z]{2,3}-[A-Z0-9]+)-.")
_PER_REGISTRATION = frozenset({"GB-FTS", "GB-CFS"})


class BuyerContact(TypedDict):
    """Whom the notice names to write to or call; a missing part is None."""

    name: str | None
    email: str | None
    telephone: str | None


class AwardedSupplier(TypedDict):
    """One supplier a contract was awarded to, with the publisher's id."""

    name: str
    supplierId: str | None


class Buyer(NamedTuple):
    """Who buys: the publisher's id and name, and the party that holds the rest (empty when there is none)."""

    id: str | None
    name: str | None
    party: dict[str, Any]

    @property
    def region(self) -> str | None:
        """The ITL (formerly NUTS) code of the address: every Find a Tender buyer has one, no other."""
        return first_text(self.party, ("address", "region"))

    @property
    def website(self) -> str | None:
        """The organisation's web address, if it is one a browser should open."""
        return web_address(first_text(self.party, ("details", "url"), ("contactPoint", "url")))

    @property
    def contact(self) -> BuyerContact | None:
        """The contact point, the first that says anything; None when none does."""
        for point in (*objects(self.party, "contactPoint"), *objects(self.party, "additionalContactPoints")):
            email, telephone = _EMAIL.search(text(point.get("email")) or ""), line(point.get("telephone")) or ""
            found = BuyerContact(
                name=line(point.get("name")),
                email=email[0] if email else None,
                telephone=None if _NO_NUMBER.fullmatch(telephone) else telephone,
            )
            if any(found.values()):
                return found
        return None


def buyer_of(release: Release) -> Buyer:
    """Return the buyer: the `buyer` object or, where that says nothing, the first party with the role (`_BUYING`).

    35 of 1,651 Find a Tender releases have no `buyer` though a party has the role; 21 name several buyers, of
    which `buyer` is the first.
    """
    named = next((found for found in objects(release.json, "buyer") if _id(found) or _name(found)), None)
    candidates = next((found for role in _BUYING if (found := parties_with_role(release, role))), [])
    if named is None:
        party = next((found for found in candidates if _id(found) or _name(found)), next(iter(candidates), {}))
        return Buyer(_id(party), _name(party), party)
    party = _same_organisation(named, [*candidates, *release.parties])
    if not party and not _name(named) and len(candidates) == 1:
        party = candidates[0]  # `buyer` is but an id, of no party: the one that has the role is meant
    return Buyer(_id(named) or _id(party), _name(named) or _name(party), party)


def awarded_suppliers(release: Release) -> list[AwardedSupplier]:
    """Return the suppliers of the standing awards, each once, in document order.

    Ids that no register gave do not part suppliers of one name: one award names its supplier under two of them.

    Where a later notice (a change, an end) repeats no award, or only its id, the parties in the role. A supplier
    without a name in the award (one was `null`) has that of its party, or is left out.
    """
    named = objects([*release.contract_awards, *release.standing_contracts], "suppliers")
    failed = len(release.awards) > len(release.contract_awards)
    if not named and release.stage == "AWARD" and not failed:
        named = parties_with_role(release, "supplier")
    found: dict[str, AwardedSupplier] = {}
    suppliers = [(_id(each), _name(each) or _name(_same_organisation(each, release.parties))) for each in named]
    names = {name for key, name in suppliers if register_of(key)}
    for key, name in suppliers:
        if name and (name not in names or register_of(key)):
            names.add(name)
            found.setdefault(key or name, AwardedSupplier(name=name, supplierId=key))
    return list(found.values())


def register_of(published: str | None) -> str | None:
    """Return the register an id is from (`GB-COH`), when that gives an organisation one id to keep; else None.

    `GB-FTS-n` and `GB-CFS-n` count registrations with the two services: of the names under them, 27 of 132 and 19 of
    376 had several. An id without a register's prefix says nothing outside its notice.
    """
    found = _REGISTERED.match(published or "")
    return None if found is None or found[1] in _PER_REGISTRATION else found[1]


def parties_with_role(release: Release, role: str) -> list[dict[str, Any]]:
    """Return the parties that have `role`, in document order."""
    return [p for p in release.parties if role in words(p, "roles")]


def _same_organisation(named: dict[str, Any], candidates: list[dict[str, Any]]) -> dict[str, Any]:
    for key in (_id, _name):
        for party in candidates if key(named) else ():
            if key(party) == key(named):
                return party
    return {}


def _id(organisation: Mapping[str, Any]) -> str | None:
    return identifier(organisation.get("id"))


def _name(organisation: Mapping[str, Any]) -> str | None:
    return line(organisation.get("name"))
