"""The organisations of a release: whom to write to, and who won."""

from __future__ import annotations

import pytest

from tender_sync.mapping.parties import awarded_suppliers, buyer_of
from tender_sync.mapping.release import Release


def buyer(**party):
    parties = [{"id": "B", "roles": ["buyer"], **party}]
    return buyer_of(Release({"buyer": {"id": "B", "name": "Town"}, "parties": parties}))


@pytest.mark.parametrize(
    ("party", "contact"),
    [
        (
            {
                "contactPoint": {
                    "name": " Jo  Bloggs ",
                    "email": " jo@example.org ",
                    "telephone": "01609 533450",
                    "faxNumber": "1",
                }
            },
            {"name": "Jo Bloggs", "email": "jo@example.org", "telephone": "01609 533450"},
        ),
        ({"contactPoint": {"email": "jo@example.org"}}, {"name": None, "email": "jo@example.org", "telephone": None}),
        (
            {"contactPoint": {"url": "https://x"}, "additionalContactPoints": [{"email": "jo@example.org"}]},
            {"name": None, "email": "jo@example.org", "telephone": None},
        ),
        ({"contactPoint": {"name": " ", "email": None}}, None),
        (
            {"contactPoint": {"email": "mailto:jo.b@example.org.", "telephone": "+44 0"}},
            {"name": None, "email": "jo.b@example.org", "telephone": None},
        ),
        (
            {"contactPoint": {"name": "Jo", "email": "Jo <jo@example.org>; al@example.org", "telephone": "00000000"}},
            {"name": "Jo", "email": "jo@example.org", "telephone": None},
        ),
        ({"contactPoint": {"telephone": "+44 111 111 111"}}, None),
        ({"contactPoint": {"telephone": "111111111"}}, None),
        ({"contactPoint": {"email": "REDACTED", "telephone": "REDACTED"}}, None),
        ({"contactPoint": {"telephone": "+44 20"}}, {"name": None, "email": None, "telephone": "+44 20"}),
        ({"contactPoint": "jo@example.org"}, None),
        ({}, None),
    ],
)
def test_buyer_contact(party, contact):
    assert buyer(**party).contact == contact


@pytest.mark.parametrize(
    ("details", "website"),
    [
        ({"url": "http://www.surreycc.gov.uk"}, "http://www.surreycc.gov.uk"),
        ({"url": "www.surreycc.gov.uk"}, "https://www.surreycc.gov.uk"),
        ({"url": "javascript:alert(1)"}, None),
        ({"url": "see our site"}, None),
        ({}, None),
    ],
)
def test_website(details, website):
    assert buyer(details=details).website == website


@pytest.mark.parametrize(
    ("roles", "name"),
    [
        (["supplier", "procuringEntity", "centralPurchasingBody", "buyer"], "buyer"),
        (["supplier", "centralPurchasingBody", "procuringEntity"], "procuringEntity"),
        (["supplier", "centralPurchasingBody"], "centralPurchasingBody"),
        (["supplier"], None),
    ],
)
def test_buyer_is_who_buys_for_others_only_where_nobody_is_called_the_buyer(roles, name):
    assert buyer_of(Release({"parties": [{"name": role, "roles": [role]} for role in roles]})).name == name


@pytest.mark.parametrize(
    ("named", "name", "region"),
    [
        ({"id": "X", "name": "Town"}, "Town", "UKE42"),
        ({"id": "X"}, "Town", "UKE42"),
        ({"id": "X", "name": "Other"}, "Other", None),
    ],
    ids=["known by its name", "of no name", "somebody else"],
)
def test_buyer_whose_id_no_party_has(named, name, region):
    party = {"id": "B", "name": "Town", "roles": ["buyer"], "address": {"region": "UKE42"}}
    found = buyer_of(Release({"buyer": named, "parties": [party, {"id": "S", "name": "Works", "roles": ["supplier"]}]}))
    assert (found.id, found.name, found.region) == ("X", name, region)


def test_buyer_whose_id_no_party_has_is_left_open_where_several_buy():
    parties = [{"id": name, "name": name, "roles": ["buyer"]} for name in ("One", "Two")]
    assert buyer_of(Release({"buyer": {"id": "X"}, "parties": parties})).name is None


def test_roles_may_stand_in_one_text():
    parties = [{"name": "Works", "roles": "supplier"}, {"name": "Town", "roles": "procuringEntity,buyer"}]
    assert buyer_of(Release({"parties": parties})).name == "Town"


def supplier(key, name=None):
    return {"id": key, "name": name}


def mapped(key, name):
    return {"supplierId": key, "name": name}


PARTIES = [
    {"id": "S1", "name": "One Ltd", "roles": ["supplier"]},
    {"id": "R", "name": "Gone Ltd", "roles": ["removedSupplier"]},
]


@pytest.mark.parametrize(
    ("release", "suppliers"),
    [
        (
            {
                "awards": [
                    {"suppliers": [supplier("S1", " One  Ltd"), supplier("S2", "Two")]},
                    {"suppliers": [supplier("S1", "One Ltd")]},
                ]
            },
            [mapped("S1", "One Ltd"), mapped("S2", "Two")],
        ),
        ({"awards": [{"suppliers": [supplier("S1")]}], "parties": PARTIES}, [mapped("S1", "One Ltd")]),
        ({"awards": [{"suppliers": [supplier("S9")]}], "parties": PARTIES}, []),
        ({"awards": [{"suppliers": [supplier(None, "One"), supplier(None, "One")]}]}, [mapped(None, "One")]),
        (
            {"awards": [{"suppliers": [supplier("GB-CFS-1", "One"), supplier("GB-CFS-2", "One")]}]},
            [mapped("GB-CFS-1", "One")],
        ),
        (
            {"awards": [{"suppliers": [supplier("GB-COH-1", "One"), supplier("GB-COH-2", "One")]}]},
            [mapped("GB-COH-1", "One"), mapped("GB-COH-2", "One")],
        ),
        (
            {"awards": [{"suppliers": [supplier("GB-FTS-1", "One"), supplier("GB-COH-2", "One")]}]},
            [mapped("GB-COH-2", "One")],
        ),
        ({"awards": [{"status": "unsuccessful", "suppliers": [supplier("S1", "One")]}]}, []),
        ({"contracts": [{"suppliers": [supplier("S1", "One")]}]}, [mapped("S1", "One")]),
        ({"tag": ["contractAmendment"], "contracts": [{}], "parties": PARTIES}, [mapped("S1", "One Ltd")]),
        ({"tag": ["contractAmendment"], "awards": [{"id": "1"}], "parties": PARTIES}, [mapped("S1", "One Ltd")]),
        ({"tag": ["award"], "awards": [{"id": "1", "status": "unsuccessful"}], "parties": PARTIES}, []),
        ({"tag": ["tender"], "parties": PARTIES}, []),
        (
            {
                "id": "1",
                "tender": {"documents": [{"id": "1", "documentType": "awardNotice", "noticeType": "UK14"}]},
                "awards": [{"suppliers": [supplier("S1", "One")]}],
                "parties": PARTIES,
            },
            [],
        ),
        ({}, []),
    ],
    ids=[
        "each once",
        "named by its party",
        "of no name",
        "without ids",
        "registered twice",
        "two companies of one name",
        "with a registration, then with its company number",
        "of a failed award",
        "of a contract",
        "of a later notice",
        "of a later notice that names the award by its id",
        "never those of a failed award",
        "none before an award",
        "members of a dynamic market",
        "nothing",
    ],
)
def test_awarded_suppliers(release, suppliers):
    assert awarded_suppliers(Release(release)) == suppliers
