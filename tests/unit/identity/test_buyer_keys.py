"""Which organisation buys, and the document of a new buyer."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tender_sync.identity.buyer_keys import map_buyer, name_key, org_id, slugify
from tender_sync.mapping.contract import map_ocds_to_contract


def contract_of(**release):
    return map_ocds_to_contract({"id": "000001-2026", **release}, "FIND_A_TENDER")


def party(organisation_id=None, name=None, *roles, **other):
    return {"id": organisation_id, "name": name, "roles": list(roles), **other}


LEEDS = {"id": "GB-PPON-1", "name": "Leeds City Council"}

BUYERS = {
    # each case: a release, and its buyerName, buyerOrg and org_id
    "the buyer object": ({"buyer": LEEDS}, "Leeds City Council", "GB-PPON-1", "GB-PPON-1"),
    "trimmed, on one line": (
        {"buyer": {"id": " GB-COH-1 ", "name": " Leeds \n City  Council "}},
        "Leeds City Council",
        "GB-COH-1",
        "GB-COH-1",
    ),
    "a party where there is no buyer object": (
        {"parties": [party("S", "Sup", "supplier"), party("GB-COH-2", "Oxford ", "buyer")]},
        "Oxford",
        "GB-COH-2",
        "GB-COH-2",
    ),
    "a party where the buyer object is empty": (
        {"buyer": {}, "parties": [party("GB-COH-2", "Oxford", "Buyer")]},
        "Oxford",
        "GB-COH-2",
        "GB-COH-2",
    ),
    "a role that is no list": (
        {"parties": [{"id": "GB-COH-2", "name": "Oxford", "roles": "buyer"}]},
        "Oxford",
        "GB-COH-2",
        "GB-COH-2",
    ),
    "the buyer object before other buying parties": (
        {"buyer": LEEDS, "parties": [party("GB-COH-2", "Oxford", "buyer")]},
        "Leeds City Council",
        "GB-PPON-1",
        "GB-PPON-1",
    ),
    "a name from the party of the same id": (
        {"buyer": {"id": "GB-COH-2"}, "parties": [party("GB-COH-2", "Oxford", "buyer")]},
        "Oxford",
        "GB-COH-2",
        "GB-COH-2",
    ),
    "an id from the party of the same name": (
        {"buyer": {"name": "Oxford"}, "parties": [party("GB-COH-2", "Oxford ", "buyer")]},
        "Oxford",
        "GB-COH-2",
        "GB-COH-2",
    ),
    "an id that is a number": ({"buyer": {"id": 77, "name": "Oxford"}}, "Oxford", "77", "oxford"),
    "a name alone": ({"buyer": {"name": "Ynys Môn Council"}}, "Ynys Môn Council", None, "ynys-mon-council"),
    "an id alone": ({"buyer": {"id": "GB-FTS-2", "name": None}}, "Unknown", "GB-FTS-2", "GB-FTS-2"),
    "nobody": ({}, "Unknown", None, None),
    "nobody, oddly": ({"buyer": "Oxford", "parties": [None, 1, "x"]}, "Unknown", None, None),
    "a supplier is not the buyer": ({"parties": [party("S", "Sup", "supplier")]}, "Unknown", None, None),
}


@pytest.mark.parametrize(("release", "name", "buyer_org", "key"), BUYERS.values(), ids=BUYERS)
def test_who_buys(release, name, buyer_org, key):
    contract = contract_of(**release)

    assert (contract["buyerName"], contract["buyerOrg"], org_id(contract)) == (name, buyer_org, key)


PPON, COH, SRS = "GB-PPON-PMPB-8772-VYWM", "GB-COH-07762614", "GB-SRS-sid4gov.cabinetoffice.gov.uk/UGM36qpC"
OWNERS = {
    # each case: all the ids published under a name, and the key of a contract with each of them
    "no id at all": ([None], {None: "durham-county-council"}),
    "ids of registrations with the two services": (
        ["GB-FTS-7", "GB-CFS-7"],
        dict.fromkeys(["GB-FTS-7", "GB-CFS-7"], "durham-county-council"),
    ),
    "an id that is from no register": (["77"], {"77": "durham-county-council"}),
    "an id in a register": ([PPON], {PPON: PPON}),
    "an id in a register, and registrations": ([PPON, "GB-FTS-7", None], dict.fromkeys([PPON, "GB-FTS-7", None], PPON)),
    "ids of several registers": (
        ["GB-LAE-DUR", SRS, PPON, "GB-CFS-107286"],
        dict.fromkeys(["GB-LAE-DUR", SRS, PPON, "GB-CFS-107286"], PPON),
    ),
    "registers in the order of preference": ([SRS, COH], {SRS: COH, COH: COH}),
    "a register that is not listed comes last": (["XI-EIN-1", SRS], {"XI-EIN-1": SRS, SRS: SRS}),
    "two ids in one register are two organisations": (
        ["GB-UKPRN-1", "GB-UKPRN-2", PPON, "GB-CFS-7"],
        {"GB-UKPRN-1": "GB-UKPRN-1", "GB-UKPRN-2": "GB-UKPRN-2", PPON: PPON, "GB-CFS-7": "durham-county-council"},
    ),
}


@pytest.mark.parametrize(("published", "expected"), OWNERS.values(), ids=OWNERS)
def test_one_organisation_is_one_buyer(published, expected):
    contracts = [contract_of(buyer={"id": each, "name": "Durham County Council"}) for each in published]
    for order in (published, published[::-1]):
        assert {each["buyerOrg"]: org_id(each, order) for each in contracts} == expected


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Ministry of Defence", "ministry-of-defence"),
        ("MINISTRY OF DEFENCE.", "ministry-of-defence"),
        ("The North Yorkshire Council", "north-yorkshire-council"),
        ("UK Research & Innovation", "uk-research-and-innovation"),
        ("R&D Ltd", "r-and-d-limited"),
        ("Coastline Housing Ltd.", "coastline-housing-limited"),
        ("The", "the"),
        ("Theatre Royal", "theatre-royal"),
        ("Mayor's Office - Kent-Sussex", "mayor-s-office-kent-sussex"),
        ("Mayor\u2019s Office \u2013 Kent\u2013Sussex", "mayor-s-office-kent-sussex"),
        ("Unknown", None),
    ],
)
def test_spellings_of_a_name_have_one_key(name, key):
    assert name_key(name) == key


def test_very_long_names_have_short_keys_that_differ():
    keys = {name_key("北" * 5_000 + end) for end in ("", "a", "b")}
    assert len(keys) == 3
    assert all(len(key) < 1100 for key in keys)


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

    assert map_buyer(contract, "GB-PPON-1") == {
        "name": "Leeds City Council",
        "orgId": "GB-PPON-1",
        "sector": "Construction",
        "region": "UKE42",
        "website": "https://www.leeds.gov.uk",
        "description": None,
        "contacts": [],
    }


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
    contract = contract_of(parties=[party("GB-PPON-1", "Leeds", "buyer", details={"url": url})])
    buyer = map_buyer(contract, "GB-PPON-1")
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
