"""Which organisation buys, and what a newly seen one starts with."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tender_sync.buyers import map_buyer, org_id, slugify
from tender_sync.ocds import map_ocds_to_contract


def contract_of(**release):
    return map_ocds_to_contract({"id": "000001-2026", **release}, "FIND_A_TENDER")


def party(organisation_id=None, name=None, *roles, **other):
    return {"id": organisation_id, "name": name, "roles": list(roles), **other}


LEEDS = {"id": "GB-PPON-1", "name": "Leeds City Council"}

BUYERS = {
    # each case is a release, then its name, buyerOrg and org_id
    "the buyer object": ({"buyer": LEEDS}, "Leeds City Council", "GB-PPON-1", "GB-PPON-1"),
    "trimmed, on one line": (
        {"buyer": {"id": " GB-1 ", "name": " Leeds \n City  Council "}},
        "Leeds City Council",
        "GB-1",
        "GB-1",
    ),
    "a party where there is no buyer object": (
        {"parties": [party("S", "Sup", "supplier"), party("GB-2", "Oxford ", "buyer")]},
        "Oxford",
        "GB-2",
        "GB-2",
    ),
    "a party where the buyer object is empty": (
        {"buyer": {}, "parties": [party("GB-2", "Oxford", "Buyer")]},
        "Oxford",
        "GB-2",
        "GB-2",
    ),
    "a role that is no list": (
        {"parties": [{"id": "GB-2", "name": "Oxford", "roles": "buyer"}]},
        "Oxford",
        "GB-2",
        "GB-2",
    ),
    "the buyer object before other buying parties": (
        {"buyer": LEEDS, "parties": [party("GB-2", "Oxford", "buyer")]},
        "Leeds City Council",
        "GB-PPON-1",
        "GB-PPON-1",
    ),
    "a name from the party of the same id": (
        {"buyer": {"id": "GB-2"}, "parties": [party("GB-2", "Oxford", "buyer")]},
        "Oxford",
        "GB-2",
        "GB-2",
    ),
    "an id from the party of the same name": (
        {"buyer": {"name": "Oxford"}, "parties": [party("GB-2", "Oxford ", "buyer")]},
        "Oxford",
        "GB-2",
        "GB-2",
    ),
    "an id that is a number": ({"buyer": {"id": 77, "name": "Oxford"}}, "Oxford", "77", "77"),
    "a name alone": ({"buyer": {"name": "Ynys Môn Council"}}, "Ynys Môn Council", None, "ynys-mon-council"),
    "an id alone": ({"buyer": {"id": "GB-2", "name": None}}, "Unknown", "GB-2", "GB-2"),
    "nobody": ({}, "Unknown", None, None),
    "nobody, oddly": ({"buyer": "Oxford", "parties": [None, 1, "x"]}, "Unknown", None, None),
    "a supplier is not the buyer": ({"parties": [party("S", "Sup", "supplier")]}, "Unknown", None, None),
}


@pytest.mark.parametrize(("release", "name", "buyer_org", "key"), BUYERS.values(), ids=BUYERS)
def test_who_buys(release, name, buyer_org, key):
    contract = contract_of(**release)

    assert (contract["buyerName"], contract["buyerOrg"], org_id(contract)) == (name, buyer_org, key)


def test_what_a_new_buyer_gets():
    contract = contract_of(
        buyer=LEEDS,
        parties=[
            party("GB-PPON-1", "Leeds City Council", "supplier", details={"url": "https://wrong.example"}),
            party(
                "GB-PPON-1",
                "Leeds City Council",
                "buyer",
                address={"region": "UKE42"},
                details={"url": "https://www.leeds.gov.uk"},
            ),
        ],
        tender={"classification": {"scheme": "CPV", "id": "45000000"}},
    )

    assert map_buyer(contract) == {
        "name": "Leeds City Council",
        "orgId": "GB-PPON-1",
        "sector": "Construction",
        "region": "UKE42",
        "website": "https://www.leeds.gov.uk",
        "description": None,
        "contacts": [],
    }


def test_no_buyer_without_an_organisation():
    assert map_buyer(contract_of()) is None


@pytest.mark.parametrize(
    ("url", "website"),
    [
        ("https://www.leeds.gov.uk", "https://www.leeds.gov.uk"),
        (" http://leeds.gov.uk/ ", "http://leeds.gov.uk/"),
        ("www.leeds.gov.uk", "https://www.leeds.gov.uk"),
        ("javascript:alert(1)", None),
        ("n/a", None),
        (None, None),
        (["https://leeds.gov.uk"], "https://leeds.gov.uk"),
    ],
)
def test_websites(url, website):
    buyer = map_buyer(contract_of(parties=[party("GB-PPON-1", "Leeds", "buyer", details={"url": url})]))
    assert buyer is not None
    assert buyer["website"] == website


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ministry of Defence", "ministry-of-defence"),
        ("  R&D / Côte-d\u2019Or (UK) Ltd. ", "r-d-cote-dor-uk-ltd"),
        ("北京", "bei-jing"),
        ("—", "org-" + hashlib.sha256("—".encode()).hexdigest()[:12]),
        ("", "org-" + hashlib.sha256(b"").hexdigest()[:12]),
    ],
)
def test_slugs(name, slug):
    assert slugify(name) == slug


@given(st.text())
def test_a_slug_is_never_empty_and_needs_no_quoting(name):
    slug = slugify(name)
    assert slug
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
