"""What a contract covers, where, and with whose money."""

from __future__ import annotations

import pytest

from tender_sync.mapping.release import Release
from tender_sync.mapping.scope import contract_type, geographic_scope, has_eu_funding


def tender(**fields):
    return {"tag": ["tender"], "tender": fields}


@pytest.mark.parametrize(
    ("release", "kind"),
    [
        (tender(mainProcurementCategory="services"), "services"),
        (tender(mainProcurementCategory=" Works "), "works"),
        ({"tender": {}, "awards": [{}, {"mainProcurementCategory": "goods"}]}, "goods"),
        ({"tender": {"mainProcurementCategory": "works"}, "awards": [{"mainProcurementCategory": "goods"}]}, "works"),
        (tender(mainProcurementCategory="consultingServices"), None),
        ({}, None),
    ],
)
def test_contract_type(release, kind):
    assert contract_type(Release(release)) == kind


def places(*addresses, **item):
    return tender(items=[{"deliveryAddresses": list(addresses), **item}])


@pytest.mark.parametrize(
    ("release", "scope"),
    [
        (places({"region": "UKG21", "country": "GB", "countryName": "United Kingdom"}), "UKG21"),
        (places({"region": "UKC"}, {"region": "UKD"}, {"region": "UKC"}), "UKC, UKD"),
        (places({"region": "UKC"}, {"country": "PT", "countryName": "Portugal"}), "UKC, Portugal"),
        (
            places({"postalCode": "DY1 1HF"}, {"region": "West Midlands", "countryName": "United Kingdom"}),
            "West Midlands",
        ),
        (places({"postalCode": "TA1 4DY"}, {"countryName": "Europe"}), "Europe"),
        (places({"postalCode": " TA12 6JL "}), "TA12 6JL"),
        (places(deliveryLocation={"description": "Main site"}), "Main site"),
        (places({"region": "UK"}, deliveryLocation={"description": "Main site"}), "UK"),
        ({"tender": {"items": [{"deliveryAddresses": {"1": {"region": "UK"}}}]}}, "UK"),
        ({"awards": [{"items": [{"deliveryAddresses": [{"region": "UKX"}]}]}]}, "UKX"),
        ({"contracts": [{"items": [{"deliveryAddresses": [{"region": "UKD6"}, {"region": "UKD7"}]}]}]}, "UKD6, UKD7"),
        ({"tender": {"items": [{"id": "1"}]}, "parties": [{"roles": ["buyer"], "address": {"region": "UKX"}}]}, None),
        ({}, None),
    ],
)
def test_geographic_scope(release, scope):
    assert geographic_scope(Release(release)) == scope


def funder(name):
    return {"parties": [{"name": name, "roles": ["funder"]}]}


@pytest.mark.parametrize(
    ("release", "funded"),
    [
        (funder("European Union"), True),
        (funder("EU"), True),
        (funder("Welsh Government"), False),
        ({"parties": [{"name": "European Union Institute", "roles": ["buyer"]}]}, None),
        ({"planning": {"budget": {"finance": [{"financingParty": {"name": "European Union"}}]}}}, True),
        ({"planning": {"budget": {"budgetBreakdown": [{"sourceParty": {"name": "European Commission"}}]}}}, True),
        ({"contracts": [{"finance": [{"financingParty": {"name": "European Union"}}]}]}, True),
        ({**funder("Welsh Government"), **tender(description="Funded by the EU")}, False),
        (tender(description="This project is part funded by the European Regional Development Fund."), True),
        (tender(description="It is co-financed under ERDF"), True),
        (tender(description="An ESF-funded programme"), True),
        (tender(lots=[{"description": "funded through Horizon Europe"}]), True),
        ({"description": "Financed in part by the European Union"}, True),
        (tender(description="This is not funded by the EU."), None),
        (tender(description="Suppliers of the European market; EU standards apply; Erasmus House"), None),
        ({}, None),
    ],
)
def test_eu_funding(release, funded):
    assert has_eu_funding(Release(release)) is funded
