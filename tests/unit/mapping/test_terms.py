"""On what terms a contract is let."""

from __future__ import annotations

import pytest

from tender_sync.mapping.release import Release
from tender_sync.mapping.terms import (
    contract_type,
    geographic_scope,
    has_eu_funding,
    procurement_method_details,
    renewal,
    submission_method,
    submission_portal_url,
    suitable_for,
)


def tender(**fields):
    return {"tag": ["tender"], "tender": fields}


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (" Open  procedure ", "Open procedure"),
        ("Other - ", "Other"),
        ("Other - Direct Award", "Other - Direct Award"),
        ("", None),
        (None, None),
    ],
)
def test_procurement_method_details(details, expected):
    assert procurement_method_details(Release(tender(procurementMethodDetails=details))) == expected


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


@pytest.mark.parametrize(
    ("fields", "methods"),
    [
        ({"submissionMethod": ["electronicSubmission", "written", "written"]}, ["electronicSubmission", "written"]),
        ({"submissionMethod": "written"}, ["written"]),
        ({"submissionTerms": {"electronicSubmissionPolicy": "allowed"}}, ["electronicSubmission"]),
        ({"submissionTerms": {"electronicSubmissionPolicy": "required"}}, ["electronicSubmission"]),
        ({"submissionTerms": {"electronicSubmissionPolicy": "notAllowed"}}, []),
        ({"submissionMethod": ["written"], "submissionTerms": {"electronicSubmissionPolicy": "allowed"}}, ["written"]),
        ({}, []),
    ],
)
def test_submission_method(fields, methods):
    assert submission_method(Release(tender(**fields))) == methods


PORTAL = "https://in-tendhost.co.uk/x"
OTHER = "https://example.org/y"


def link(description=None, url=PORTAL, **more):
    return {"id": "2", "description": description, "url": url, **more}


@pytest.mark.parametrize(
    ("release", "url"),
    [
        (tender(submissionMethodDetails=f"Bid at {PORTAL}."), PORTAL),
        (tender(submissionMethodDetails="www.ariba.com"), "https://www.ariba.com"),
        (tender(submissionMethodDetails="jo@example.org", communication={"atypicalToolUrl": PORTAL}), PORTAL),
        (tender(submissionMethodDetails="jo@example.org"), None),
        (tender(documents=[link("Main address (URL)", OTHER), link("Electronically via (URL)")]), PORTAL),
        (tender(documents=[link("Additional data"), link("User / Company", OTHER)]), PORTAL),
        (tender(documents=[{"accessDetails": f"Via {PORTAL}"}]), PORTAL),
        (tender(documents=[link("Advert", format="application/pdf")]), None),
        (tender(documents=[link("Advert", "https://www.contractsfinder.service.gov.uk/Notice/1")]), None),
        (tender(documents=[link("Contract Finder", "http://Contract Finder")]), None),
        (tender(description=f"Our plan: {OTHER}. Please register at {PORTAL}. Thank you"), PORTAL),
        (tender(description=f"Our plan: {OTHER}"), None),
        (tender(description=f"Please apply at {OTHER}", documents=[link("Advert")]), PORTAL),
        (tender(description=f"Please apply at {PORTAL}", documents=[link(None, OTHER)]), PORTAL),
        # bids are over, or not asked for yet
        ({**tender(description=f"Apply at {PORTAL}"), "tag": ["award"]}, None),
        ({**tender(documents=[link("Advert")]), "tag": ["planning"]}, None),
        ({}, None),
    ],
)
def test_submission_portal_url(release, url):
    assert submission_portal_url(Release(release)) == url


@pytest.mark.parametrize(
    ("fields", "sme", "vcse"),
    [
        ({"suitability": {"sme": True, "vcse": False}}, True, False),
        ({"suitability": {"sme": False}}, False, None),
        ({"lots": [{"suitability": {"sme": True}}, {}]}, True, None),
        ({"lots": [{"suitability": {"vcse": True}}, {"suitability": {"vcse": False}}]}, None, True),
        ({"otherRequirements": {"reservedParticipation": ["smeVcse"]}}, True, True),
        ({"otherRequirements": {"reservedParticipation": ["shelteredWorkshop"]}}, None, None),
        ({"description": "Suitable for SMEs"}, None, None),
        ({"suitability": {"sme": "yes"}}, None, None),
        ({}, None, None),
    ],
)
def test_suitability(fields, sme, vcse):
    release = tender(**fields)
    assert (suitable_for(Release(release), "sme"), suitable_for(Release(release), "vcse")) == (sme, vcse)


YEAR = {"renewal": {"description": "One more year"}}


@pytest.mark.parametrize(
    ("release", "possible", "description"),
    [
        (tender(lots=[{"hasRenewal": False}, {"hasRenewal": True}]), True, None),
        (tender(lots=[{}, {"hasRenewal": True, **YEAR}]), True, "One more year"),
        (tender(lots=[{"hasRenewal": False}]), False, None),
        (tender(lots=[{"contractPeriod": {"maxExtentDate": "2030-01-01T00:00:00Z"}}]), True, None),
        (
            {"awards": [{"hasRenewal": True, **YEAR}], "tender": {"lots": [{"hasRenewal": False}]}},
            True,
            "One more year",
        ),
        ({"contracts": [{"hasRenewal": False}], "awards": [{"hasRenewal": True}]}, False, None),
        ({"contracts": [{"proposedAmendments": [{"hasRenewal": True}]}]}, True, None),
        ({"contracts": [{"period": {"maxExtentDate": "2030-01-01"}}]}, True, None),
        ({"contracts": [{"period": {"endDate": "2029-01-01", "maxExtentDate": "2030-01-01"}}]}, True, None),
        ({"contracts": [{"period": {"endDate": "2030-01-01T23:59:59", "maxExtentDate": "2030-01-01"}}]}, None, None),
        ({"contracts": [{"period": {"maxExtentDate": "0001-01-01T00:00:00"}}]}, None, None),
        ({"awards": [{"status": "cancelled", "hasRenewal": True}]}, None, None),
        (tender(lots=[{}]), None, None),
        ({}, None, None),
    ],
)
def test_renewal(release, possible, description):
    assert renewal(Release(release)) == (possible, description)


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
