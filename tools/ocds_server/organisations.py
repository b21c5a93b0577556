"""Draws seeded buyers and suppliers, with the identifier schemes of each service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .words import BUYER_FORMS, NATIONAL_BUYERS, PLACES, SUPPLIER_FORMS, SUPPLIER_NAMES, Place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

_LETTERS = "BCDGHJLMNPQRTVWXYZ"
# Schemes of Find a Tender's buyers, measured on 1,647 releases of August 2026, and of Contracts Finder's buyers and
# suppliers, measured on 200 releases of 2025. A GB-FTS or GB-CFS id is per registration, not per organisation.
FTS_BUYER_SCHEMES = {
    "GB-PPON": 436,
    "GB-FTS": 135,
    "GB-COH": 86,
    "GB-NHS": 28,
    "GB-UKPRN": 11,
    "GB-MPR": 9,
    "GB-CHC": 6,
    "GB-NIC": 1,
}
FTS_SUPPLIER_SCHEMES = {"GB-PPON": 4, "GB-COH": 6}
CF_BUYER_SCHEMES = {"GB-CFS": 140, "GB-SRS": 52, "GB-GOR": 5, "GB-LAE": 3}
CF_SUPPLIER_SCHEMES = {"GB-CFS": 190, "GB-COH": 77}
_PER_REGISTRATION = ("GB-FTS", "GB-CFS")


@dataclass(frozen=True)
class Organisation:
    """An organisation as registered once: `id` is `<scheme>-<number>`."""

    name: str
    scheme: str
    number: str
    place: Place

    @property
    def id(self) -> str:
        """The id as releases use it."""
        return f"{self.scheme}-{self.number}"

    @property
    def reference(self) -> dict[str, str]:
        """The `{id, name}` of `buyer` and `suppliers`."""
        return {"id": self.id, "name": self.name}

    @property
    def mail(self) -> str:
        """An address that belongs to nobody."""
        return f"procurement@{self.place.name.lower()}.example"


class Register:
    """Draws organisations; one drawn again may have another registration."""

    def __init__(self, random: Random, buyer_schemes: dict[str, int], supplier_schemes: dict[str, int]) -> None:
        self._random = random
        names = [form.format(place.name) for place in PLACES for form in BUYER_FORMS]
        self._buyers = [self._registered(name, buyer_schemes) for name in (*names, *NATIONAL_BUYERS)]
        names = [form.format(name) for name in SUPPLIER_NAMES for form in SUPPLIER_FORMS]
        self._suppliers = [self._registered(name, supplier_schemes) for name in names]

    def buyer(self) -> Organisation:
        """Draw a buyer; 15 % are national ones."""
        last = len(NATIONAL_BUYERS)
        group = any_of(self._random, {"national": 15, "local": 85})
        names = self._buyers[-last:] if group == "national" else self._buyers[:-last]
        return self._random.choice(self._random.choice(names))

    def supplier(self) -> Organisation:
        """Draw a supplier."""
        return self._random.choice(self._random.choice(self._suppliers))

    def _registered(self, name: str, schemes: dict[str, int]) -> list[Organisation]:
        place = next((place for place in PLACES if place.name in name), self._random.choice(PLACES))
        scheme = self._random.choices(list(schemes), list(schemes.values()))[0]
        found = [Organisation(name, scheme, self._number(scheme), place)]
        volatile = next((s for s in _PER_REGISTRATION if s in schemes), None)
        if volatile and (scheme == volatile or name in NATIONAL_BUYERS):
            again = self._random.choice((0, 1, 1, 2))
            found += [Organisation(name, volatile, self._number(volatile), place) for _ in range(again)]
        return found

    def _number(self, scheme: str) -> str:
        letters = "".join(self._random.choices(_LETTERS, k=7))
        digits = f"{self._random.randrange(10**8):08d}"
        styled = {
            "GB-PPON": f"P{letters[:3]}-{digits[:4]}-{letters[3:]}",
            "GB-COH": digits,
            "GB-NHS": letters[:3],
            "GB-SRS": f"sid4gov.cabinetoffice.gov.uk/{letters}",
            "GB-GOR": f"D{digits[:2]}",
        }
        return styled.get(scheme, digits[-6:].lstrip("0") or "1")


def any_of(random: Random, table: Mapping[Any, float]) -> Any:
    """Draw a key by its weight."""
    return random.choices(list(table), list(table.values()))[0]


def amount(random: Random) -> float:
    """Draw an amount in pounds: the median is 150,000, some are 0 or 0.01, the largest hundreds of millions."""
    kind = any_of(random, {"zero": 4, "penny": 1, "round": 65, "exact": 30})  # zeros: 4 % of Find a Tender's amounts
    value = min(random.lognormvariate(11.9, 2.0), 543_000_000.0)
    drawn: Mapping[str, float] = {"zero": 0, "penny": 0.01, "round": round(value, -3), "exact": round(value, 2)}
    return drawn[kind]
