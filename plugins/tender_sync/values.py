"""What a notice says it is worth."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tender_sync.dig import objects, text
from tender_sync.notices import live_awards, live_contracts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Basis = Literal["net", "gross"]

# `amount` is without VAT, `amountGross` (Find a Tender's extension, Procurement Act notices only) with it.
# Net first: old-regime notices and Contracts Finder have only `amount`, so amounts stay comparable.
_FIELDS: Mapping[Basis, str] = {"net": "amount", "gross": "amountGross"}
_PLAIN_NUMBER = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Worth(NamedTuple):
    """The worth of a procurement: somewhere from `low` to `high`, in one currency and on one basis.

    Either end is None when nothing is said of it. One stated figure is both ends.
    """

    low: float | None
    high: float | None
    currency: str | None
    basis: Basis | None


class _Amounts(NamedTuple):
    amounts: list[float]
    currency: str | None
    basis: Basis


NOTHING_STATED = Worth(None, None, None, None)


def worth(release: Mapping[str, Any]) -> Worth:
    """Return what a release says it is worth, from the first place that states an amount.

    The places, in order: the tender's value, its lots', the awards', the contracts', and what ended contracts
    came to. Award notices of Find a Tender state it only in awards (UK6) or contracts (UK7, old regime), and
    31 of 200 Contracts Finder releases only in an award. Failed awards and cancelled contracts do not count.

    - The tender's value is the upper end; `tender.minValue` (Contracts Finder) the lower one. A lower end
      alone stays without an upper one.
    - Several lots, awards or contracts: the upper end is their sum, the lower one the largest of them.
      Separate lots add up, whereas the suppliers of a framework are each given the same money; notices do not
      tell the two apart.
    - Amounts of one currency only, pounds before others (a lot in AED stands beside a tender in GBP), and of
      one basis only, the one that more of them state, net when equal.
    - Positive amounts go first: 0 is mostly put in for "not said", and is kept only where nothing else is
      stated anywhere. Negative and infinite amounts are no amounts.
    """
    floor = _choose(objects(release, "tender", "minValue"), _not_negative)
    for usable in (_positive, _not_negative):
        for place, values in enumerate(_places(release)):
            chosen = _choose(values, usable)
            if chosen:
                low, high = max(chosen.amounts), _total(chosen.amounts)
                if place == 0 and floor and floor[1:] == chosen[1:]:
                    low = min(low, *floor.amounts)
                return Worth(low, high, chosen.currency, chosen.basis)
    return Worth(max(floor.amounts), None, floor.currency, floor.basis) if floor else NOTHING_STATED


def _places(release: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
    yield objects(release, "tender", "value")[:1]
    yield objects(release, "tender", "lots", "value")
    yield objects(live_awards(release), "value")
    contracts = live_contracts(release)
    yield objects(contracts, "value")
    yield objects(contracts, "implementation", "finalValue")


def _choose(values: list[dict[str, Any]], usable: Callable[[float], bool]) -> _Amounts | None:
    """Return the usable amounts of one currency and one basis, or None when there are none."""
    stated: list[tuple[str | None, Basis, float]] = [
        (_currency(value.get("currency")), basis, amount)
        for value in values
        for basis, field in _FIELDS.items()
        if (amount := _amount(value.get(field))) is not None and usable(amount)
    ]
    if not stated:
        return None
    currencies = [currency for currency, _, _ in stated]
    currency = "GBP" if "GBP" in currencies else currencies[0]
    by_basis = {basis: [a for c, b, a in stated if (c, b) == (currency, basis)] for basis in _FIELDS}
    basis = max(by_basis, key=lambda name: len(by_basis[name]))  # the first of equals, and net is first
    return _Amounts(by_basis[basis], currency, basis)


def _total(amounts: list[float]) -> float:
    """Return the sum, cleared of the dust of adding floats; the largest amount where the sum has no finite float."""
    largest, total = max(amounts), sum(amounts)
    return max(largest, round(total, 2)) if math.isfinite(total) else largest


def _positive(amount: float) -> bool:
    return amount > 0


def _not_negative(amount: float) -> bool:
    return amount >= 0


def _amount(value: object) -> float | None:
    """Return a JSON number, or a string that is plainly one ("12,500.00"), as a finite float."""
    written = text(value)
    if written is not None and _PLAIN_NUMBER.fullmatch(written):
        value = float(written.replace(",", ""))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount + 0.0 if math.isfinite(amount) else None  # adding zero turns -0.0 into 0.0


def _currency(value: object) -> str | None:
    code = (text(value) or "").upper()
    return code if _CURRENCY.fullmatch(code) else None
