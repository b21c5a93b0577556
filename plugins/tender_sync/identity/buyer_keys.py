"""Finds the key of a contract's buyer, and makes the document of a new buyer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypedDict

from slugify import slugify as _slugify

from tender_sync.mapping.contract import MappedContract
from tender_sync.mapping.parties import UNKNOWN_BUYER, buyer_of, register_of
from tender_sync.mapping.release import Release

# Registers seen in the ids of both services' buyers, preferred ones first. docs/BUYERS.md says what each registers.
# Registers that are not listed come last.
REGISTERS = ("GB-PPON", "GB-NHS", "GB-LAE", "GB-GOR", "GB-UKPRN", "GB-MPR", "GB-CHC", "GB-NIC", "GB-COH", "GB-SRS")
_LONGEST_KEY = 1000  # in characters: every name of a page is searched for in one command, which may have 16 MiB
# Typographic apostrophes and dashes within a word. They split it, as ' and - do.
_PUNCTUATION = re.compile(r"(?<=\w)[\u2010-\u205e](?=\w)")


class MappedBuyer(TypedDict):
    """The fields with which a buyer is created. Afterwards they belong to the web app and its users."""

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


@lru_cache(maxsize=4096)
def name_key(name: str) -> str | None:
    """Return one key for all spellings of a name; None for no name.

    docs/BUYERS.md lists the differences that do not count ("North Yorkshire Council" also buys as "The North Yorkshire
    Council"). A key of over 1,000 characters is cut there, and twelve hex digits of its SHA-256 are added.
    """
    if name == UNKNOWN_BUYER:
        return None
    key = slugify(_PUNCTUATION.sub("-", name.replace("&", " and ")))
    key = f"{key[:-3]}limited" if key.endswith("-ltd") else key
    key = key.removeprefix("the-")
    return key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def org_id(contract: Mapping[str, Any], published: Iterable[str | None] = ()) -> str | None:
    """Return the key of a contract's buyer, by the rules of docs/BUYERS.md; None if it has neither a name nor an id.

    :param published: all ids published under the contract's buyer name, in any contract
    """
    own: str | None = contract["buyerOrg"]
    key = name_key(contract["buyerName"])
    if key is None:
        return own
    registered = {each: register for each in {own, *published} if each and (register := register_of(each))}
    if len(set(registered.values())) < len(registered):
        return own if own in registered else key
    order = [*REGISTERS, *sorted(registered.values())]
    return min(registered, key=lambda each: order.index(registered[each]), default=key)


def map_buyer(contract: MappedContract, key: str) -> MappedBuyer:
    """Return the document of a new buyer with the key `key`, from the first contract that names it."""
    return MappedBuyer(
        name=contract["buyerName"],
        orgId=key,
        sector=contract["sector"],
        region=contract["buyerRegion"],
        website=buyer_of(Release(contract["rawData"])).website,
        description=None,
        contacts=[],
    )
