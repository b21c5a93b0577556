"""What a notice says a procurement is worth."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, repeat
from typing import Any, Literal, NamedTuple

from tender_sync.mapping.groups import connected_groups
from tender_sync.mapping.json_access import identifier, number, objects, text, walk, word
from tender_sync.mapping.release import Release

Basis = Literal["net", "gross"]

# `amount` is without VAT, `amountGross` (Find a Tender's extension, Procurement Act notices only) includes it.
# Net first: old-regime notices and Contracts Finder have only `amount`, so amounts stay comparable.
_FIELDS: Mapping[Basis, str] = {"net": "amount", "gross": "amountGross"}
_CURRENCY = re.compile(r"[A-Z]{3}")
# Forms that demand a figure get 0, a penny or a pound where none is known (22 of 641 notices state no more).
_FILLED_IN = 1
# Nothing bought in the United Kingdom costs a trillion: it is a row of nines.
_TOO_MUCH = 1e12


class _Unit(NamedTuple):
    """What an amount is counted in. Amounts of different units cannot be added or compared."""

    currency: str | None
    basis: Basis


class _Amount(NamedTuple):
    """One amount, and the lots it is for (none where the notice names none)."""

    amount: float
    unit: _Unit
    lots: frozenset[str]


class EstimatedValue(NamedTuple):
    """The worth of a procurement, in one currency and on one basis. An end that is not stated is None."""

    low: float | None
    high: float | None
    currency: str | None
    basis: Basis | None

    def of(self, part: Mapping[str, Any]) -> EstimatedValue:
        """Return what a part of it (a lot) says it is worth on the same basis, in the part's own currency.

        An amount of 0 beside a real one says nothing: 4 lots of 0 stand beside a tender of 8,000,000.
        """
        stated = _amounts(objects(part, "value"))
        usable = [each for each in stated if each.unit.basis == self.basis and self.is_usable(each.amount)]
        return EstimatedValue(usable[0].amount, usable[0].amount, *usable[0].unit) if usable else NOTHING_STATED

    def is_usable(self, amount: float) -> bool:
        """Tell whether an amount beside it counts: one that was filled in does only where nothing else is stated."""
        return _is_real_amount(amount) or self.high is None or not _is_real_amount(self.high)


NOTHING_STATED = EstimatedValue(None, None, None, None)


def estimated_value(release: Release) -> EstimatedValue:
    """Return what a release says it is worth, from the first place that states an amount.

    docs/CONTRACTS.md (Money) has the rules. Award notices of Find a Tender state it only in awards (UK6) or contracts
    (UK7, old regime), and 31 of 200 Contracts Finder releases only in an award. Only Contracts Finder has
    `tender.minValue`; without `tender.value` it stays without an upper end. Several amounts for one lot, or for no lot
    that is named, are a range: several contracts add up, whereas the suppliers of a framework may each be given the
    same money, and notices do not say which of the two it is.
    """
    bases_of_lots = [each.unit.basis for each in _amounts(objects(release.lots, "value"))]
    preferred = max(_FIELDS, key=bases_of_lots.count)  # the first of equals, and net is first
    for only_real in (True, False):
        for amounts, minimums in _places(release):
            usable = [each for each in amounts if _is_real_amount(each.amount)] if only_real else amounts
            stated = _of_one_unit(usable, preferred)
            if stated:
                return _range_of(stated, _of_one_unit(minimums, stated[0].unit.basis))
    lowest = _of_one_unit(_tender_minimum(release), preferred)
    return EstimatedValue(lowest[0].amount, None, *lowest[0].unit) if lowest else NOTHING_STATED


def award_value(release: Release, stated: EstimatedValue) -> float | None:
    """Return the sum of the standing awards (of the contracts where awards have no value), as `stated` counts.

    Only amounts in its currency and on its basis are added up. Awards of 0 beside tenders of 1,500,000 and 2,000,000
    say nothing.
    """
    for parts in (release.contract_awards, release.standing_contracts):
        amounts = [
            each.amount
            for each in _amounts(objects(parts, "value"))
            if each.unit == (stated.currency, stated.basis) and stated.is_usable(each.amount)
        ]
        if amounts:
            return _total(amounts)
    return None


def _places(release: Release) -> Iterator[tuple[list[_Amount], list[_Amount]]]:
    """Yield the amounts of each place that may state the worth, and its lowest ones, in the order in which they count.

    A change not yet signed is a proposed amendment (UK10); `charges` are what users and the buyer pay for a concession.
    """
    tenders = release.tenders
    yield _amounts(objects(tenders, "value")[:1]), _tender_minimum(release)
    yield _per_part(objects(release.lots, "value")), []
    yield _amounts(objects(tenders, "techniques", "frameworkAgreement", "value")), []
    yield _by_lot(release.standing_awards, "value"), []
    contracts = _with_lots_of_awards(release.standing_contracts, release)
    yield _by_lot(contracts, "value"), []
    yield _by_lot(contracts, "proposedAmendments", "value"), []
    yield _by_lot(contracts, "implementation", "finalValue"), []
    yield _per_part(objects(contracts, "implementation", "charges", "estimatedValue")), []
    budget = objects(release.json, "planning", "budget")
    yield _amounts(objects(budget, "amount")), []
    yield _per_part(objects(budget, "budgetBreakdown", "amount")), []
    bids = objects(release.json, "bids", "statistics")
    yield _best_bids(bids, "highestvalidbidvalue", max), _best_bids(bids, "lowestvalidbidvalue", min)


def _tender_minimum(release: Release) -> list[_Amount]:
    return _amounts(objects(release.tenders, "minValue")[:1])


def _per_part(values: list[dict[str, Any]]) -> list[_Amount]:
    """Return the amounts of values each of which is for something else: lots, years of a budget."""
    return [each for place, value in enumerate(values) for each in _amounts([value], frozenset({str(place)}))]


def _by_lot(parts: list[dict[str, Any]], *path: str) -> list[_Amount]:
    found = []
    for part in parts:
        lots = frozenset(filter(None, map(identifier, walk(part, "relatedLots"))))
        found += _amounts(objects(part, *path), lots)
    return found


def _amounts(values: list[dict[str, Any]], lots: frozenset[str] = frozenset()) -> list[_Amount]:
    """Return the amounts of value objects, each on its own basis, net before gross."""
    return [
        _Amount(amount, _Unit(_currency(value.get("currency")), basis), lots)
        for value in values
        for basis, field in _FIELDS.items()
        if (amount := _amount(value.get(field))) is not None
    ]


def _with_lots_of_awards(contracts: list[dict[str, Any]], release: Release) -> list[dict[str, Any]]:
    """Return copies of contracts; one that names no lots has the lots of its award.

    Old-rule notices of 2021 give several awards one id where the buyer numbered them alike (53 of 182 procurements:
    https://github.com/open-contracting-extensions/european-union/issues/91). Their contracts come in the same order: so
    the first contract has the lots of the first award, and contracts that are left over have those of the last.
    """
    lots: defaultdict[str | None, list[Any]] = defaultdict(list)
    for award in release.standing_awards:
        lots[identifier(award.get("id"))].append(award.get("relatedLots"))
    next_lots = {award_id: chain(of_awards, repeat(of_awards[-1])) for award_id, of_awards in lots.items()}
    found = []
    for contract in contracts:
        of_award = next(next_lots.get(identifier(contract.get("awardID")), repeat(None)))
        found.append({**contract, "relatedLots": contract.get("relatedLots") or of_award})
    return found


def _best_bids(statistics: list[dict[str, Any]], measure: str, best: Callable[[float, float], float]) -> list[_Amount]:
    """Return the best bid for the whole procurement or, where that is not stated, for each lot.

    Old-regime awards state it up to three times: of all, of the lot, and of the lot again with every further contract.
    """
    found: dict[tuple[_Unit, frozenset[str]], float] = {}
    for each in statistics:
        bid = _amount(each.get("value"))
        if word(each, "measure") == measure and bid is not None:
            lots = frozenset(filter(None, [identifier(each.get("relatedLot"))]))
            key = (_Unit(_currency(each.get("currency")), "net"), lots)
            found[key] = best(found.get(key, bid), bid)
    bids = [_Amount(bid, unit, lots) for (unit, lots), bid in found.items()]
    return [each for each in bids if not each.lots] or bids


def _of_one_unit(amounts: list[_Amount], preferred: Basis) -> list[_Amount]:
    """Return the amounts in pounds, else in the first currency, on the basis of more of them, if equal `preferred`."""
    if not amounts:
        return []
    currencies = [each.unit.currency for each in amounts]
    currency = "GBP" if "GBP" in currencies else currencies[0]
    by_basis = {basis: [each for each in amounts if each.unit == (currency, basis)] for basis in _FIELDS}
    return by_basis[max(by_basis, key=lambda basis: (len(by_basis[basis]), basis == preferred))]


def _range_of(stated: list[_Amount], minimums: list[_Amount]) -> EstimatedValue:
    """Return the range from the largest amount of each lot, or from lower `minimums` of the same unit, to the sum."""
    unit = stated[0].unit
    high = _total([each.amount for each in stated])
    # Amounts whose lots overlap count as one lot's, and so do all that name none.
    of_one_lot = connected_groups(stated, keys_of=lambda each: each.lots or {""})
    low = _total([max(each.amount for each in group) for group in of_one_lot])
    if minimums and minimums[0].unit == unit:
        low = min(low, _total([each.amount for each in minimums]))
    return EstimatedValue(min(low, high), high, *unit)


def _total(amounts: list[float]) -> float:
    """Return the sum, rounded to pence because floats do not add up exactly; never less than the largest amount."""
    return max(*amounts, round(sum(amounts), 2))


def _is_real_amount(amount: float) -> bool:
    return amount > _FILLED_IN


def _amount(value: object) -> float | None:
    amount = number(value)
    return amount if amount is not None and 0 <= amount < _TOO_MUCH else None


def _currency(value: object) -> str | None:
    code = (text(value) or "").upper()
    return code if _CURRENCY.fullmatch(code) else None
