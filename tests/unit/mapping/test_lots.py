"""The lots of a tender."""

from __future__ import annotations

import pytest

from tender_sync.mapping.lots import lots_of, max_lots_bid_per_supplier
from tender_sync.mapping.release import Release
from tender_sync.mapping.values import estimated_value

EMPTY = {
    "lotId": None,
    "title": None,
    "description": None,
    "value": None,
    "currency": None,
    "contractPeriodDays": None,
    "hasRenewal": None,
    "renewalDescription": None,
    "hasOptions": None,
    "optionsDescription": None,
    "variantPolicy": None,
    "status": None,
    "awardCriteria": [],
}


def lots(*found, **tender):
    release = {"tender": {**tender, "lots": list(found)}}
    return lots_of(Release(release), estimated_value(Release(release)))


def lot(**fields):
    return lots(fields)[0]


def criterion(**fields):
    return lot(awardCriteria={"criteria": [fields]})["awardCriteria"][0]


def test_a_lot_of_the_act():
    found = lot(
        id="1",
        title=" Void  works ",
        description="Two\nlines ",
        status="active",
        value={"amountGross": 120, "amount": 100, "currency": "GBP"},
        contractPeriod={"startDate": "2026-10-01T00:00:00+01:00", "endDate": "2028-09-30T23:59:59+01:00"},
        hasRenewal=True,
        renewal={"description": "1+1"},
        hasOptions=True,
        options={"description": "More sites"},
        submissionTerms={"variantPolicy": "notAllowed"},
        awardCriteria={
            "criteria": [{"name": "Price ", "type": "price", "numbers": [{"number": 40, "weight": "percentageExact"}]}]
        },
    )
    assert found == {
        "lotId": "1",
        "title": "Void works",
        "description": "Two\nlines",
        "value": 100.0,
        "currency": "GBP",
        "contractPeriodDays": 731,
        "hasRenewal": True,
        "renewalDescription": "1+1",
        "hasOptions": True,
        "optionsDescription": "More sites",
        "variantPolicy": "notAllowed",
        "status": "active",
        "awardCriteria": [{"name": "Price", "criteriaType": "price", "weight": 40.0}],
    }


@pytest.mark.parametrize(
    ("tender", "amounts", "values"),
    [(300, [0, 0.01, 1], [None] * 3), (300, [0, 300], [None, 300]), (None, [0, 300], [None, 300]), (0, [0, 0], [0, 0])],
)
def test_a_lot_filled_in_with_nothing_says_nothing_beside_other_amounts(tender, amounts, values):
    given = [{"value": {"amount": amount, "currency": "GBP"}} for amount in amounts]
    found = lots(*given, value={"amount": tender, "currency": "GBP"})
    assert [(lot["value"], lot["currency"]) for lot in found] == [(v, None if v is None else "GBP") for v in values]


@pytest.mark.parametrize(
    ("amounts", "currency"),
    [([300], "GBP"), ([300, 300], "GBP"), ([100, 200], "GBP"), ([100, 100], "AED"), ([None, 300], "GBP")],
    ids=["the tender's", "the tender's for each", "the tender's together", "others", "the tender's beside none"],
)
def test_a_lot_of_the_amount_of_the_tender_is_in_its_currency(amounts, currency):
    given = [{"value": {"amount": amount, "currency": "AED"}} for amount in amounts]
    found = [lot for lot in lots(*given, value={"amount": 300, "currency": "GBP"}) if lot["value"] is not None]
    assert {lot["currency"] for lot in found} == {currency}


def test_a_lot_of_an_award_notice_has_little_and_every_field():
    assert lot(id=7, status="complete", description=None) == {**EMPTY, "lotId": "7", "status": "complete"}


def test_no_lots():
    assert lots_of(Release({}), estimated_value(Release({}))) == []
    assert lots_of(Release({"tender": {"lots": ["1", None]}}), estimated_value(Release({}))) == []


def test_the_value_of_a_lot_is_on_the_basis_of_the_contract_in_its_own_currency():
    found = lots(
        {"value": {"amountGross": 12, "amount": 10, "currency": "GBP"}},
        {"value": {"amountGross": 24, "currency": "AED"}},
        {"value": {"amount": 20, "currency": "AED"}},
        value={"amountGross": 60, "currency": "GBP"},
    )
    assert [(each["value"], each["currency"]) for each in found] == [(12, "GBP"), (24, "AED"), (None, None)]


def test_lots_that_are_all_gross_make_the_contract_gross():
    """One tender of 157 states both, and its lots only the gross amount (075953-2026)."""
    tender = {
        "value": {"amountGross": 36, "amount": 30, "currency": "GBP"},
        "lots": [{"value": {"amountGross": 36}}] * 2,
    }
    stated = estimated_value(Release({"tender": tender}))
    assert (stated.high, stated.basis) == (36, "gross")
    assert [each["value"] for each in lots_of(Release({"tender": tender}), stated)] == [36, 36]


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ({"durationInDays": 1080}, 1080),
        ({"durationInDays": 90, "startDate": "2026-01-01", "endDate": "2026-12-31"}, 90),
        ({"startDate": "2026-10-01T00:00:00+01:00", "endDate": "2027-09-30T23:59:59+01:00"}, 365),
        ({"startDate": "2026-08-01T00:00:00+01:00", "endDate": "2026-12-31T23:59:59Z"}, 153),
        ({"startDate": "2026-08-21T00:00:00+01:00", "endDate": "2026-08-21T23:59:59+01:00"}, 1),
        ({"startDate": "2026-01-01", "endDate": "2026-12-31"}, 365),
        ({"durationInDays": float("inf"), "startDate": "2026-08-10"}, None),
        ({"durationInDays": 1e300}, None),
        ({"durationInDays": 10**30}, None),
        ({"startDate": "2026-08-10"}, None),
        ({"startDate": "2026-08-10", "endDate": "2026-08-01"}, None),
        ("one year", None),
        (None, None),
    ],
)
def test_contract_period_days(period, days):
    assert lot(contractPeriod=period)["contractPeriodDays"] == days


@pytest.mark.parametrize(
    ("fields", "flag", "description"),
    [
        ({}, None, None),
        ({"hasRenewal": False}, False, None),
        ({"hasRenewal": True}, True, None),
        ({"renewal": {"description": " 2 x 12 months "}}, True, "2 x 12 months"),
        ({"hasRenewal": False, "renewal": {"description": "2 x 12 months"}}, True, "2 x 12 months"),
        ({"hasRenewal": "yes"}, None, None),
    ],
)
def test_renewal_of_a_lot(fields, flag, description):
    found = lot(**fields)
    assert (found["hasRenewal"], found["renewalDescription"]) == (flag, description)


def test_options_and_variants():
    assert lot(hasOptions=False)["hasOptions"] is False
    assert lot(options={"description": "More"})["hasOptions"] is True
    assert lots({}, submissionTerms={"variantPolicy": "allowed"})[0]["variantPolicy"] == "allowed"


@pytest.mark.parametrize(
    ("fields", "weight"),
    [
        ({"numbers": [{"number": 40, "weight": "percentageExact"}]}, 40),
        ({"numbers": [{"number": 0.4, "weight": "decimalExact"}]}, 0.4),
        ({"numbers": [{"number": 1, "weight": "order"}]}, None),
        ({"numbers": [{"number": 1, "weight": "order"}], "description": "30%"}, 30),
        ({"numbers": [{"number": 60}], "description": "40"}, 60),
        ({"description": "30"}, 30),
        ({"description": " 12.5 % "}, 12.5),
        ({"description": "0"}, 0),
        ({"description": "100% as detailed in the Tender documentation"}, 100),
        ({"description": "Weighting: 60"}, 60),
        ({"description": "Quality - Social Value 10%"}, 10),
        ({"description": "Quality 40-60%"}, None),
        ({"description": "Up to 3 references, 10%"}, None),
        ({"description": "Pass/Fail as detailed in the Tender documentation"}, None),
        ({"description": "3 questions"}, None),
        ({"description": "2026"}, None),
        ({"numbers": [{"number": -1}]}, None),
        ({"numbers": [{"number": float("nan")}]}, None),
        ({}, None),
    ],
)
def test_weights(fields, weight):
    assert criterion(name="Quality", type="quality", **fields)["weight"] == weight


def test_a_price_criterion_of_the_old_rules_is_named_by_its_type():
    assert criterion(type="price", description="100") == {"name": "price", "criteriaType": "price", "weight": 100.0}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (3, 3),
        ("2", 2),
        (float("inf"), None),
        (2.0**63, None),
        (2**31 - 1, None),
        (0, None),
        (-1, None),
        (True, None),
        (None, None),
    ],
)
def test_how_many_lots_one_supplier_may_bid_for(limit, expected):
    release = Release({"tender": {"lotDetails": {"maximumLotsBidPerSupplier": limit}}})
    assert max_lots_bid_per_supplier(release) == expected


@pytest.mark.parametrize(
    ("awards", "statuses"),
    [
        ([{"status": "active", "relatedLots": ["1"]}], ["complete", "cancelled", "active"]),
        ([{"status": "active"}], ["complete", "complete", "active"]),
        ([{"status": "unsuccessful", "relatedLots": ["1"]}], ["cancelled", "cancelled", "active"]),
        ([], ["cancelled", "cancelled", "active"]),
    ],
)
def test_a_lot_that_is_awarded_is_not_cancelled(awards, statuses):
    found = [{"id": 1, "status": "cancelled"}, {"id": "2", "status": "cancelled"}, {"id": "3", "status": "active"}]
    release = {"tender": {"lots": found}, "awards": awards}
    assert [each["status"] for each in lots_of(Release(release), estimated_value(Release(release)))] == statuses
