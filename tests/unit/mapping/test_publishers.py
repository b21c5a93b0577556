"""What a publisher does differently is data of its source: a third source needs nothing else to be mapped."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tender_sync.identity.lineage import keys_of, lineage
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.sources import FIND_A_TENDER, SOURCES
from tender_sync.sources.base import PublisherRules, RegionPlace
from tests.invariants import assert_invariants

RULES = PublisherRules(
    page_host="tenders.example.org",
    page_path="/view/",
    page_id=re.compile("N[0-9]+"),
    versioned_id=re.compile("(?P<guid>N[0-9]+)/[0-9]+"),
    region=RegionPlace.DELIVERY,
    states_value_basis=False,
    states_regime=False,
    own_register="BE-TND",
)
PAGE = "https://tenders.example.org/view/"
RELEASE = {
    "ocid": "ocds-third-1",
    "id": "N7/2",
    "date": "2026-08-10T09:00:00Z",
    "tag": ["tender"],
    "buyer": {"id": "1", "name": "Anytown"},
    "parties": [{"id": "1", "name": "Anytown", "roles": ["buyer"], "address": {"region": "BE21"}}],
    "tender": {
        "title": "Roofs",
        "legalBasis": {"scheme": "LAW"},
        "value": {"amount": 5, "currency": "EUR"},
        "items": [{"deliveryAddresses": [{"region": "Flanders"}]}],
        "documents": [
            {"documentType": "tenderNotice", "url": f"{PAGE}N7"},
            {"url": "https://bids.example.org/7"},
        ],
    },
}


@pytest.fixture
def third(monkeypatch):
    """Return a function that maps the release with these rules of the third source's publisher changed."""

    def mapped(release=RELEASE, **rules):
        source = replace(FIND_A_TENDER, name="THIRD", publisher=replace(RULES, **rules))
        monkeypatch.setitem(SOURCES, "THIRD", source)
        contract = map_ocds_to_contract(release, "THIRD")
        assert_invariants(contract)
        return contract

    return mapped


def test_a_third_source_is_mapped_by_its_record(third):
    contract = third()
    assert contract["source"] == "THIRD"
    assert contract["sourceUrl"] == f"{PAGE}N7"
    assert contract["buyerRegion"] == "Flanders"
    assert contract["valueMax"] == 5
    assert (contract["valueBasis"], contract["regime"]) == (None, None)
    # its own pages are no portals, of whatever source a notice is
    assert contract["submissionPortalUrl"] == "https://bids.example.org/7"
    assert map_ocds_to_contract(RELEASE, "FIND_A_TENDER")["submissionPortalUrl"] == "https://bids.example.org/7"


@pytest.mark.parametrize(
    ("rule", "field", "value"),
    [
        ({"page_host": "example.net"}, "sourceUrl", "https://example.net/view/N7"),
        ({"page_path": "/"}, "sourceUrl", "https://tenders.example.org/N7"),
        ({"versioned_id": None}, "sourceUrl", f"{PAGE}N7"),  # the page that the release publishes
        ({"versioned_id": None, "page_id": re.compile("X")}, "sourceUrl", f"{PAGE}N7%2F2"),
        ({"region": RegionPlace.BUYER}, "buyerRegion", "BE21"),
        ({"states_value_basis": True}, "valueBasis", "net"),
        ({"states_regime": True}, "regime", "LAW"),
        ({"page_host": "bids.example.org"}, "submissionPortalUrl", f"{PAGE}N7"),
    ],
)
def test_each_rule_of_the_record_counts(third, rule, field, value):
    assert third(**rule)[field] == value


@pytest.mark.parametrize(("register", "ids"), [("BE-TND", ["BE-TND-1"]), ("X", ["BE-TND-1", "BE-TND-2"])])
def test_registrations_with_the_publisher_are_no_ids_to_tell_suppliers_by(third, register, ids):
    suppliers = [{"id": "BE-TND-1", "name": "Works"}, {"id": "BE-TND-2", "name": "Works"}]
    contract = third({**RELEASE, "contracts": [{"suppliers": suppliers}]}, own_register=register)
    assert [supplier["supplierId"] for supplier in contract["awardedSuppliers"]] == ids


def test_the_versions_of_a_third_sources_notice_are_known_by_its_record(third):
    older, newer = third({**RELEASE, "id": "N7/1", "date": "2026-08-09T09:00:00Z"}), third()
    assert lineage([newer, older])["N7/1"]["supersededBy"] == "N7/2"
    assert keys_of("THIRD", newer) == {("ocid", "ocds-third-1"), ("guid", "N7-")}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_guids_of_the_sources(source):
    guid = "0c5b1d5e-7a51-4a2f-9a70-3f1f4f9f2b11"
    given = (f"{guid}-654321", guid, "8812", "012345-2026")
    shared = {"CONTRACTS_FINDER": (guid, guid, "8812", "012345-2026"), "FIND_A_TENDER": (None, None, None, None)}
    assert tuple(map(source.publisher.guid_of, given)) == shared[source.name]
