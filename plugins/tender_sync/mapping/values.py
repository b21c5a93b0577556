"""What a notice says it is worth."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tender_sync.mapping.groups import connected_groups
from tender_sync.mapping.json_access import identifier, number, objects, text, walk, word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tender_sync.mapping.release import Release

Basis = Literal["net", "gross"]

# `amount` is without VAT, `amountGross` (Find a Tender's extension, Procurement Act notices only) with it.
# Net first: old-regime notices and Contracts Finder have only `amount`, so amounts stay comparable.
_FIELDS: Mapping[Basis, str] = {"net": "amount", "gross": "amountGross"}
_NO_LOT = frozenset({""})
_CURRENCY = re.compile(r"[A-Z]{3}")
# Forms that demand a figure get 0, a penny or a pound where none is known (22 of 641 notices state no more).
_FILLED_IN = 1
# Nothing bought in the United Kingdom costs a trillion: a row of nines.
_TOO_MUCH = 1e12


class EstimatedValue(NamedTuple):
    """The worth of a procurement: somewhere from `low` to `high`, in one currency and on one basis.

    Either end is None when nothing is said of it. One stated figure is both ends.
    """

    low: float | None
    high: float | None
    currency: str | None
    basis: Basis | None

    def of(self, part: Mapping[str, Any]) -> EstimatedValue:
        """Return what a part of it (a lot) says it is worth on the same basis, in the part's own currency.

        A part of something is not worth nothing: 4 lots of 0 stand beside a tender of 8,000,000.
        """
        field = _FIELDS[self.basis] if self.basis else ""
        stated = ((_amount(value.get(field)), _currency(value.get("currency"))) for value in objects(part, "value"))
        found = (
            EstimatedValue(a, a, currency, self.basis) for a, currency in stated if a is not None and self.is_usable(a)
        )
        return next(found, NOTHING_STATED)

    def is_usable(self, amount: float) -> bool:
        """Say whether an amount beside it counts: one that was filled in does only where nothing else is stated."""
        return _is_real_amount(amount) or self.high is None or not _is_real_amount(self.high)


NOTHING_STATED = EstimatedValue(None, None, None, None)


class _Stated(NamedTuple):
    """One value object, and the lots it is for (none where that is not said)."""

    value: dict[str, Any]
    lots: frozenset[str]


class _Place(NamedTuple):
    """The values that stand in one place, and those that bound them from below."""

    values: list[_Stated]
    floor: list[_Stated]


class _Amount(NamedTuple):
    amount: float
    lots: frozenset[str]


class _Amounts(NamedTuple):
    amounts: list[_Amount]
    currency: str | None
    basis: Basis


def estimated_value(release: Release) -> EstimatedValue:
    """Return what a release says it is worth, from the first place that states an amount.

    The places, in order: the tender's value, its lots', its framework agreement's; the awards', the
    contracts', what a change not yet signed makes of them (UK10), what ended ones came to, what users and the buyer pay
    for a concession; the budget, and the bids. Award notices of Find a Tender state it
    only in awards (UK6) or contracts (UK7, old regime), and 31 of 200 Contracts Finder releases only in an
    award. Failed awards and cancelled contracts do not count.

    - The tender's value is the upper end; `tender.minValue` (Contracts Finder) the lower one. A lower end
      alone stays without an upper one. Old-regime awards may state the lowest and highest bid instead.
    - Amounts for different lots add up. Of several for the same lot, or for no lot that is named, the lower
      end is the largest and the upper end their sum: several contracts add up, whereas the suppliers of a
      framework may each be given the same money, and notices do not tell the two apart.
    - Amounts of one currency only, pounds before others (a lot in AED stands beside a tender in GBP), and of
      one basis only: the one that more of them state, when equal the one more of the lots state, then net.
    - Amounts above 1 go first: 0, a penny or a pound is mostly put in for "not said", and is kept only where nothing
      else is stated anywhere. Negative amounts and those of a trillion or more are no amounts.
    """
    preferred = _more_frequent(objects(release.lots, "value"))
    for usable in (_is_real_amount, _any):
        for place in _places(release):
            chosen = _choose(place.values, usable, preferred)
            if chosen:
                floor = _choose(place.floor, _any, chosen.basis)
                low, high = _largest_of_each_lot(chosen.amounts), _total([a.amount for a in chosen.amounts])
                if floor and floor[1:] == chosen[1:]:
                    low = min(low, _total([each.amount for each in floor.amounts]))
                return EstimatedValue(min(low, high), high, chosen.currency, chosen.basis)
    floor = _choose(next(_places(release)).floor, _any, preferred)
    return EstimatedValue(floor.amounts[0].amount, None, floor.currency, floor.basis) if floor else NOTHING_STATED


def award_value(release: Release, stated: EstimatedValue) -> float | None:
    """Return the sum of the standing awards (of the contracts where awards have no value), as `stated` counts.

    Only amounts in its currency and on its basis are added up. Members of dynamic markets are given nothing. Awards of
    0 beside tenders of 1,500,000 and 2,000,000 say nothing.
    """
    for place in (release.contract_awards, release.standing_contracts):
        amounts = [
            amount
            for value in objects(place, "value")
            for basis, field in _FIELDS.items()
            if (_currency(value.get("currency")), basis) == (stated.currency, stated.basis)
            and (amount := _amount(value.get(field))) is not None
            and stated.is_usable(amount)
        ]
        if amounts:
            return _total(amounts)
    return None


def _places(release: Release) -> Iterator[_Place]:
    tenders, contracts = release.tenders, release.standing_contracts
    yield _Place(_for_whole(objects(tenders, "value")[:1]), _for_whole(objects(tenders, "minValue")[:1]))
    yield _Place(_per_part(objects(release.lots, "value")), [])
    yield _Place(_for_whole(objects(tenders, "techniques", "frameworkAgreement", "value")), [])
    yield _Place(_by_lot(release.standing_awards, "value"), [])
    contracts = _with_lots_of_awards(contracts, release)
    yield _Place(_by_lot(contracts, "value"), [])
    yield _Place(_by_lot(contracts, "proposedAmendments", "value"), [])
    yield _Place(_by_lot(contracts, "implementation", "finalValue"), [])
    yield _Place(_per_part(objects(contracts, "implementation", "charges", "estimatedValue")), [])
    budget = objects(release.json, "planning", "budget")
    yield _Place(_for_whole(objects(budget, "amount")), [])
    yield _Place(_per_part(objects(budget, "budgetBreakdown", "amount")), [])
    bids = objects(release.json, "bids", "statistics")
    yield _Place(_bids(bids, "highestvalidbidvalue", max), _bids(bids, "lowestvalidbidvalue", min))


def _for_whole(values: list[dict[str, Any]]) -> list[_Stated]:
    return [_Stated(value, frozenset()) for value in values]


def _per_part(values: list[dict[str, Any]]) -> list[_Stated]:
    """Return values each of which is for something else: lots, years of a budget."""
    return [_Stated(value, frozenset({str(place)})) for place, value in enumerate(values)]


def _by_lot(parts: list[dict[str, Any]], *path: str) -> list[_Stated]:
    return [_Stated(value, _related_lots(part)) for part in parts for value in objects(part, *path)]


def _with_lots_of_awards(contracts: list[dict[str, Any]], release: Release) -> list[dict[str, Any]]:
    """Return contracts with the lots of the awards they follow: only awards name them.

    Old-rule notices of 2021 give several awards one id where the buyer numbered them alike (53 of 182 procurements:
    https://github.com/open-contracting-extensions/european-union/issues/91). Their contracts come in the same order.
    """
    lots: defaultdict[str | None, list[Any]] = defaultdict(list)
    for award in release.standing_awards:
        lots[identifier(award.get("id"))].append(award.get("relatedLots"))
    found = []
    for each in contracts:
        of_award = lots[identifier(each.get("awardID"))]
        related = of_award.pop(0) if len(of_award) > 1 else next(iter(of_award), None)
        found.append({**each, "relatedLots": each.get("relatedLots") or related})
    return found


def _related_lots(part: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(found for lot in walk(part, "relatedLots") if (found := identifier(lot)))


def _bids(statistics: list[dict[str, Any]], measure: str, best: Callable[[float, float], float]) -> list[_Stated]:
    """Return the best bid for the whole procurement or, where that is not told, for each lot.

    Old-regime awards tell it up to three times: of all, of the lot, and of the lot again with every further contract.
    """
    found: dict[tuple[str | None, str | None], float] = {}
    for each in statistics:
        bid, key = _amount(each.get("value")), (identifier(each.get("relatedLot")), _currency(each.get("currency")))
        if word(each, "measure") == measure and bid is not None:
            found[key] = best(found.get(key, bid), bid)
    whole = {key: bid for key, bid in found.items() if key[0] is None} or found
    return [_Stated({"amount": bid, "currency": money}, frozenset({str(lot)})) for (lot, money), bid in whole.items()]


def _choose(stated: list[_Stated], usable: Callable[[float], bool], preferred: Basis) -> _Amounts | None:
    """Return the usable amounts of one currency and one basis, or None when there are none."""
    found: list[tuple[str | None, Basis, _Amount]] = [
        (_currency(each.value.get("currency")), basis, _Amount(amount, each.lots))
        for each in stated
        for basis, field in _FIELDS.items()
        if (amount := _amount(each.value.get(field))) is not None and usable(amount)
    ]
    if not found:
        return None
    currencies = [currency for currency, _, _ in found]
    currency = "GBP" if "GBP" in currencies else currencies[0]
    by_basis = {basis: [a for c, b, a in found if (c, b) == (currency, basis)] for basis in _FIELDS}
    basis = max(by_basis, key=lambda name: (len(by_basis[name]), name == preferred))
    return _Amounts(by_basis[basis], currency, basis)


def _more_frequent(values: list[dict[str, Any]]) -> Basis:
    counted = {basis: sum(_amount(v.get(field)) is not None for v in values) for basis, field in _FIELDS.items()}
    return max(counted, key=lambda basis: counted[basis])  # the first of equals, and net is first


def _largest_of_each_lot(amounts: list[_Amount]) -> float:
    """Return the sum over lots of each one's largest amount; amounts whose lots overlap count as one lot's."""
    groups = connected_groups(amounts, keys_of=lambda each: each.lots or _NO_LOT)
    return _total([max(each.amount for each in group) for group in groups])


def _total(amounts: list[float]) -> float:
    """Return the sum, cleared of the dust of adding floats."""
    return max(*amounts, round(sum(amounts), 2))


def _is_real_amount(amount: float) -> bool:
    return amount > _FILLED_IN


def _any(_amount: float) -> bool:
    return True


def _amount(value: object) -> float | None:
    amount = number(value)
    return amount if amount is not None and 0 <= amount < _TOO_MUCH else None


def _currency(value: object) -> str | None:
    code = (text(value) or "").upper()
    return code if _CURRENCY.fullmatch(code) else None
