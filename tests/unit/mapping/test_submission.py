"""How to take part: procedure, suitability, ways and places to send bids."""

from __future__ import annotations

import pytest

from tender_sync.mapping.release import Release
from tender_sync.mapping.submission import (
    procurement_method_details,
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
