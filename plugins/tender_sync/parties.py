"""The organisations of a release, by role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tender_sync.dig import first_text, identifier, line, objects, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN_BUYER = "Unknown"


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
        found = first_text(self.party, ("details", "url"), ("contactPoint", "url")) or ""
        if found.lower().startswith("www."):
            found = f"https://{found}"
        return found if found.lower().startswith(("https://", "http://")) else None


def buyer_of(release: Mapping[str, Any]) -> Buyer:
    """Return the buyer: the `buyer` object or, where that says nothing, the first party with the role.

    35 of 1,651 Find a Tender releases have no `buyer` though a party has the role; 21 name several buyers, of
    which `buyer` is the first.
    """
    named = next((found for found in objects(release, "buyer") if _id(found) or _name(found)), None)
    candidates = parties_with_role(release, "buyer")
    if named is None:
        party = next((found for found in candidates if _id(found) or _name(found)), {})
        return Buyer(_id(party), _name(party), party)
    party = _same_organisation(named, [*candidates, *objects(release, "parties")])
    return Buyer(_id(named) or _id(party), _name(named) or _name(party), party)


def parties_with_role(release: Mapping[str, Any], role: str) -> list[dict[str, Any]]:
    """Return the parties that have `role`, in document order."""
    return [p for p in objects(release, "parties") if role in {found.lower() for found in texts(p, "roles")}]


def _same_organisation(named: dict[str, Any], candidates: list[dict[str, Any]]) -> dict[str, Any]:
    for key in (_id, _name):
        if key(named):
            return next((party for party in candidates if key(party) == key(named)), {})
    return {}


def _id(organisation: Mapping[str, Any]) -> str | None:
    return identifier(organisation.get("id"))


def _name(organisation: Mapping[str, Any]) -> str | None:
    return line(organisation.get("name"))
