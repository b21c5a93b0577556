"""Contract → buyer: which organisation it is, and what a newly seen one starts with."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypedDict

from slugify import slugify as _slugify

from tender_sync.parties import UNKNOWN_BUYER, buyer_of

if TYPE_CHECKING:
    from tender_sync.ocds import MappedContract


class MappedBuyer(TypedDict):
    """The fields a buyer is created with; from then on they belong to the web app and its users."""

    name: str
    orgId: str
    sector: str | None
    region: str | None
    website: str | None
    description: None
    contacts: list[dict[str, Any]]


def slugify(name: str) -> str:
    """Return a name as lower-case ASCII words joined by hyphens; never empty.

    A name without a single letter or digit ("—") gives `org-` and twelve hex digits of its SHA-256.
    """
    return _slugify(name) or f"org-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:12]}"


def org_id(contract: MappedContract) -> str | None:
    """Return the key of a contract's buyer: the publisher's id, else the slug of the name, else None.

    The id is the publisher's, not the organisation's: `GB-FTS-n` and `GB-CFS-n` count registrations, so one
    organisation may stand under several (27 of 132 names with GB-FTS ids, 19 of 376 with GB-CFS ids).
    """
    if contract["buyerOrg"]:
        return contract["buyerOrg"]
    return None if contract["buyerName"] == UNKNOWN_BUYER else slugify(contract["buyerName"])


def map_buyer(contract: MappedContract) -> MappedBuyer | None:
    """Return what a new buyer gets from the first contract it is seen in; None when that names no buyer."""
    key = org_id(contract)
    if key is None:
        return None
    return MappedBuyer(
        name=contract["buyerName"],
        orgId=key,
        sector=contract["sector"],
        region=contract["buyerRegion"],
        website=buyer_of(contract["rawData"]).website,
        description=None,
        contacts=[],
    )
