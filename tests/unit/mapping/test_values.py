"""What a notice says it is worth."""

from __future__ import annotations

import math

import pytest

from tender_sync.mapping.release import Release
from tender_sync.mapping.values import NOTHING_STATED, award_value, estimated_value

GBP = {"currency": "GBP"}


def net(amount, **other):
    return {"amount": amount, **GBP, **other}


def gross(amount):
    return {"amountGross": amount, **GBP}


def both(amount, amount_gross):
    return {"amount": amount, "amountGross": amount_gross, **GBP}


def tender(**fields):
    return {"tender": fields}


def awards(*values, status="active"):
    return {"awards": [{"status": status, "value": value} for value in values]}


def contracts(*values):
    return {"contracts": [{"value": value} for value in values]}


def for_lots(*stated):
    """Return awards, each with its value and its lots, one letter a lot."""
    return {"awards": [{"id": n, "value": value, "relatedLots": list(lots)} for n, (value, lots) in enumerate(stated)]}


def bids(*ranges):
    """Return statistics of bids: a lowest and a highest one for each lot named (None: for all of them)."""
    statistics = [{"measure": "bids", "relatedLot": lot, "value": 4} for lot, _, _ in ranges]
    for lot, lowest, highest in ranges:
        for measure, value in (("lowestValidBidValue", lowest), ("highestValidBidValue", highest)):
            statistics.append({"measure": measure, "value": value, **GBP} | ({"relatedLot": lot} if lot else {}))
    return {"bids": {"statistics": statistics}}


def numbered_alike(*stated):
    """Return awards and their contracts, each with its lot, all under one number; what has no value failed."""
    return {
        "awards": [
            {"id": "C1", "status": "active" if value else "unsuccessful", "relatedLots": [lot]} for lot, value in stated
        ],
        "contracts": [{"id": "C1", "awardID": "C1", "value": value} for _, value in stated if value],
    }


CASES = {
    # each case is a release, then its low and high end, currency and basis
    "one figure is both ends": (tender(value=net(900)), 900, 900, "GBP", "net"),
    "net goes before gross": (tender(value=both(100, 120)), 100, 100, "GBP", "net"),
    "gross where net is not said": (tender(value=gross(120)), 120, 120, "GBP", "gross"),
    "a range": (tender(minValue=net(5000), value=net(22000)), 5000, 22000, "GBP", "net"),
    "a range from nothing": (tender(minValue=net(0), value=net(22000)), 0, 22000, "GBP", "net"),
    "a lower end above the upper": (tender(minValue=net(9), value=net(5)), 5, 5, "GBP", "net"),
    "a lower end in another currency": (
        tender(minValue={"amount": 1, "currency": "EUR"}, value=net(5)),
        5,
        5,
        "GBP",
        "net",
    ),
    "a lower end on another basis": (tender(minValue=net(80), value=gross(120)), 120, 120, "GBP", "gross"),
    "a lower end alone": (tender(minValue=net(5000)), 5000, None, "GBP", "net"),
    "the tender before its awards": (tender(value=net(10)) | awards(net(12)), 10, 10, "GBP", "net"),
    "the lower end goes with the tender's own value": (
        tender(minValue=net(5)) | awards(net(12)),
        12,
        12,
        "GBP",
        "net",
    ),
    "awards where the tender has none": (tender(title="x") | awards(net(12)), 12, 12, "GBP", "net"),
    "awards before contracts": (awards(net(12)) | contracts(net(13)), 12, 12, "GBP", "net"),
    "contracts where the awards have none": (
        awards(None) | contracts(both(100, 120)),
        100,
        100,
        "GBP",
        "net",
    ),
    "what an ended contract came to": (
        {"contracts": [{"status": "terminated", "implementation": {"finalValue": net(77)}}]},
        77,
        77,
        "GBP",
        "net",
    ),
    "lots where the tender has none": (
        tender(lots=[{"value": net(1.1)}, {"value": net(2.2)}]),
        3.3,
        3.3,
        "GBP",
        "net",
    ),
    "several awards: from the largest to the sum": (awards(net(10), net(30), net(20)), 30, 60, "GBP", "net"),
    "several awards of one basis": (awards(gross(5), both(10, 12), both(20, 24)), 24, 41, "GBP", "gross"),
    "as many net as gross": (awards(both(10, 12), both(20, 24)), 20, 30, "GBP", "net"),
    "a failed award does not count": (
        {"awards": [{"status": "unsuccessful", "value": net(9)}, {"value": net(4)}]},
        4,
        4,
        "GBP",
        "net",
    ),
    "pounds before dirhams": (
        awards({"amount": 50, "currency": "AED"}, {"amount": 9, "currency": "AED"}, net(10)),
        10,
        10,
        "GBP",
        "net",
    ),
    "another currency alone": (tender(value=net(7, currency=" usd ")), 7, 7, "USD", "net"),
    "no currency": (tender(value={"amount": 7}), 7, 7, None, "net"),
    "a currency of another type": (tender(value={"amount": 7, "currency": 826}), 7, 7, None, "net"),
    "a zero is passed over for an amount": (tender(value=net(0)) | awards(net(12)), 12, 12, "GBP", "net"),
    "a zero net is passed over for the gross": (tender(value=both(0, 120)), 120, 120, "GBP", "gross"),
    "a zero where nothing else is said": (tender(value=net(0.0)), 0, 0, "GBP", "net"),
    "pennies stay": (tender(value=net(0.01)), 0.01, 0.01, "GBP", "net"),
    "an amount with its sign": (tender(value=net("£1,250.50")), 1250.5, 1250.5, "GBP", "net"),
    "a number as text": (tender(value=net(" 1,250,000.50 ")), 1250000.5, 1250000.5, "GBP", "net"),
    "a value in a list": (tender(value=[net(3)]), 3, 3, "GBP", "net"),
    "a penny, or a pound, is no worth beside another": (
        tender(value=net(0.01), lots=[{"value": net(1)}]) | awards(net(500)),
        500,
        500,
        "GBP",
        "net",
    ),
    "nearly a trillion": (tender(value=net(999_999_999_999)), 999_999_999_999, 999_999_999_999, "GBP", "net"),
    "less than a penny": (tender(value=net(0.004)), 0.004, 0.004, "GBP", "net"),
    "pounds and pence add up": (awards(net(0.1), net(0.2)), 0.2, 0.3, "GBP", "net"),
}


CASES |= {
    "awards of different lots add up": (for_lots((net(10), "1"), (net(30), "2")), 40, 40, "GBP", "net"),
    "awards of one lot may be given the same money": (
        for_lots((net(10), "1"), (net(30), "1"), (net(5), "2")),
        35,
        45,
        "GBP",
        "net",
    ),
    "awards whose lots overlap": (for_lots((net(9), "12"), (net(8), "23"), (net(7), "3")), 9, 24, "GBP", "net"),
    "contracts are for the lots of their awards": (
        for_lots((None, "1"), (None, "2")) | {"contracts": [{"awardID": n, "value": net(5)} for n in (0, 1)]},
        10,
        10,
        "GBP",
        "net",
    ),
    "contracts that name no lots themselves": (
        for_lots((None, "1"), (None, "2"))
        | {"contracts": [{"awardID": n, "value": net(5), "relatedLots": none} for n, none in enumerate((None, []))]},
        10,
        10,
        "GBP",
        "net",
    ),
    "awards and contracts of one number, which many buyers give to all, go by their order": (
        numbered_alike(("0", None), ("1", net(10)), ("1", net(20)), ("2", net(30))),
        50,
        60,
        "GBP",
        "net",
    ),
    "what users and the buyer pay for a concession": (
        {"contracts": [{"implementation": {"charges": [{"estimatedValue": net(80)}, {"estimatedValue": net(20)}]}}]},
        100,
        100,
        "GBP",
        "net",
    ),
    "what a change that is not signed yet makes of a contract": (
        {"contracts": [{"proposedAmendments": [{"value": both(50, 60)}]}]},
        50,
        50,
        "GBP",
        "net",
    ),
    "the basis of the lots, where the tender states both": (
        tender(value=both(100, 120), lots=[{"value": gross(60)}, {"value": gross(60)}]),
        120,
        120,
        "GBP",
        "gross",
    ),
    "a framework agreement's": (tender(techniques={"frameworkAgreement": {"value": net(8)}}), 8, 8, "GBP", "net"),
    "a budget": ({"planning": {"budget": {"amount": net(8)}}}, 8, 8, "GBP", "net"),
    "a budget by years": (
        {"planning": {"budget": {"budgetBreakdown": [{"amount": net(8)}, {"amount": net(9)}]}}},
        17,
        17,
        "GBP",
        "net",
    ),
    "the lowest and the highest bid": (bids(("1", 7.0, 9.0)), 7, 9, "GBP", "net"),
    "bids for a lot, told again of all": (bids(("1", 7.0, 9.0), (None, 6.0, 9.0)), 6, 9, "GBP", "net"),
    "bids for a lot, told with each contract": (bids(("1", 7.0, 9.0), ("1", 6.0, 8.0)), 6, 9, "GBP", "net"),
    "bids for two lots": (bids(("1", 7.0, 9.0), ("2", 70.0, 90.0)), 77, 99, "GBP", "net"),
    "bids go last": (bids(("1", 7.0, 9.0)) | awards(net(8)), 8, 8, "GBP", "net"),
}


@pytest.mark.parametrize(("given", "low", "high", "currency", "basis"), CASES.values(), ids=CASES)
def test_worth(given, low, high, currency, basis):
    assert estimated_value(Release(given)) == (low, high, currency, basis)


@pytest.mark.parametrize(
    "amount",
    [
        -5,
        -0.01,
        math.inf,
        -math.inf,
        math.nan,
        "Infinity",
        "NaN",
        "ten",
        "1e9",
        "1,2",
        "",
        True,
        None,
        [],
        1e12,
        10**400,
    ],
    ids=str,
)
def test_no_amounts(amount):
    assert estimated_value(Release(tender(value=net(amount)))) == NOTHING_STATED


def test_the_members_of_a_dynamic_market_have_no_worth():
    assert estimated_value(Release({"awards": [{"id": str(n)} for n in range(100)]})) == NOTHING_STATED


def test_amounts_are_floats_so_that_one_field_has_one_type():
    found = estimated_value(Release(tender(minValue=net(1), value=net(2))))
    assert (type(found.low), type(found.high)) == (float, float)


def test_minus_zero_is_zero():
    found = estimated_value(Release(tender(value=net(-0.0))))
    assert [math.copysign(1, end) for end in (found.low, found.high)] == [1, 1]


@pytest.mark.parametrize(
    ("release", "total"),
    [
        (awards(net(10), net(30)), 40),
        (awards(net(0.1), net(0.2)), 0.3),
        (awards(net(0), net(30)), 30),
        (awards(net(0)), 0),
        (awards(net(0.01), net(30)), 30),
        (awards(net(0.01)), 0.01),
        (tender(value=net(99)) | awards(net(30)), 30),
        (tender(value=net(99)) | awards(net(0), net(0.01)), None),
        (tender(value=net(1)) | awards(net(0)), 0),
        (contracts(net(10), net(5)), 15),
        (awards(net(10)) | contracts(net(11)), 10),
        (awards(None) | contracts(gross(12)), 12),
        # on the contract's basis and in its currency, or not at all
        (awards(both(10, 12), gross(24)), 36),
        (tender(value=net(99)) | awards(gross(12)), None),
        (tender(value=net(99)) | awards({"amount": 5, "currency": "EUR"}), None),
        (awards(net(5), {"amount": 5, "currency": "EUR"}), 5),
        (awards(net(9), status="unsuccessful"), None),
        ({"contracts": [{"implementation": {"finalValue": net(7)}}]}, None),
        (tender(value=net(99)), None),
        ({}, None),
    ],
)
def test_award_value(release, total):
    assert award_value(Release(release), estimated_value(Release(release))) == total


def test_members_of_a_dynamic_market_are_awarded_nothing():
    document = {"id": "1", "documentType": "awardNotice", "noticeType": "UK15"}
    market = {"id": "1", "awards": [{"value": net(5), "documents": [document]}]}
    assert award_value(Release(market), estimated_value(Release(market))) is None
