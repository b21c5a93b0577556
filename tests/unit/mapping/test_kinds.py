"""One case per kind of notice, shaped like the real ones."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tender_sync.mapping.contract import map_ocds_to_contract

GUID = "0c5b1d5e-7a51-4a2f-9a70-3f1f4f9f2b11"
CF_PAGE = f"https://www.contractsfinder.service.gov.uk/Notice/{GUID}"
FTS_PAGE = "https://www.find-tender.service.gov.uk/Notice/"


def fts(**release):
    return map_ocds_to_contract({"id": "012345-2026", **release}, "FIND_A_TENDER")


def cf(**release):
    return map_ocds_to_contract({"id": f"{GUID}-654321", **release}, "CONTRACTS_FINDER")


def cpv(*codes):
    return [{"scheme": "CPV", "id": code} for code in codes]


def notice(notice_type, kind, release_id="012345-2026"):
    return [{"id": release_id, "documentType": kind, "noticeType": notice_type, "url": f"{FTS_PAGE}{release_id}"}]


TOWN = {"id": "GB-PPON-AAAA-1111-BBBB", "name": "Anytown Council "}
TOWN_PARTY = {**TOWN, "roles": ["buyer"], "address": {"region": "UKX11"}}
ACT = {"legalBasis": {"id": "2023/54", "scheme": "UKPGA"}}
OLD = {"legalBasis": {"id": "32014L0024", "scheme": "CELEX"}}

KINDS = {
    "Find a Tender, market engagement (UK2)": (
        fts(
            date="2026-07-01T09:00:00+01:00",
            tag=["planning"],
            parties=[TOWN_PARTY],
            buyer=TOWN,
            planning={
                "milestones": [{"dueDate": "2026-07-20T23:59:59+01:00"}],
                "documents": notice("UK2", "marketEngagementNotice"),
            },
            tender={
                **ACT,
                "title": "Street lights",
                "status": "planning",
                "value": {"amountGross": 120, "amount": 100, "currency": "GBP"},
                "items": [{"additionalClassifications": cpv("34928500", "50232100")}],
            },
        ),
        {
            "status": "OPEN",
            "stage": "PLANNING",
            "noticeType": "UK2",
            "regime": "UKPGA",
            "valueMax": 100,
            "valueBasis": "net",
            "cpvCodes": ["34928500", "50232100"],
            "sector": "Vehicles & Transport Equipment",
            "deadlineDate": None,
            "buyerName": "Anytown Council",
            "buyerRegion": "UKX11",
            "publishedDate": datetime(2026, 7, 1, 8, tzinfo=UTC),
        },
    ),
    "Find a Tender, two-stage tender (UK4)": (
        fts(
            tag=["tender"],
            buyer=TOWN,
            parties=[TOWN_PARTY],
            tender={
                **ACT,
                "status": "active",
                "expressionOfInterestDeadline": "2026-09-04T17:00:00+01:00",
                "enquiryPeriod": {"endDate": "2026-08-10T17:00:00+01:00"},
                "value": {"amountGross": 600, "currency": "GBP"},
                "lots": [{"status": "active", "value": {"amountGross": 600, "currency": "AED"}}],
                "documents": notice("UK4", "tenderNotice"),
            },
        ),
        {
            "status": "OPEN",
            "stage": "TENDER",
            "noticeType": "UK4",
            "valueMax": 600,
            "valueBasis": "gross",
            "currency": "GBP",
            "deadlineDate": datetime(2026, 9, 4, 16, tzinfo=UTC),
        },
    ),
    "Find a Tender, contract award (UK6)": (
        fts(
            tag=["award", "contract"],
            tender={**ACT, "status": "complete"},
            awards=[
                {
                    "status": "pending",
                    "value": {"amountGross": 2564, "currency": "GBP"},
                    "items": [{"additionalClassifications": cpv("64200000")}],
                    "documents": notice("UK6", "awardNotice"),
                }
            ],
        ),
        {
            "status": "AWARDED",
            "stage": "AWARD",
            "noticeType": "UK6",
            "valueMin": 2564,
            "valueMax": 2564,
            "valueBasis": "gross",
            "sector": "Post & Telecommunications",
        },
    ),
    "Find a Tender, contract details (UK7)": (
        fts(
            tag=["award", "contract"],
            tender={**ACT, "status": "complete"},
            awards=[{"items": [{"additionalClassifications": cpv("48000000")}], "relatedLots": ["1"]}],
            contracts=[
                {
                    "status": "active",
                    "value": {"amountGross": 12, "amount": 10, "currency": "USD"},
                    "documents": notice("UK7", "contractNotice"),
                }
            ],
        ),
        {
            "status": "AWARDED",
            "noticeType": "UK7",
            "valueMax": 10,
            "currency": "USD",
            "sector": "Software",
        },
    ),
    "Find a Tender, contract ended (UK11), no buyer object": (
        fts(
            tag=["contractTermination"],
            parties=[TOWN_PARTY],
            tender={**ACT, "title": "Heat network"},
            contracts=[
                {
                    "status": "terminated",
                    "implementation": {"finalValue": {"amountGross": 94, "amount": 78, "currency": "GBP"}},
                    "documents": notice("UK11", "contractTerminationNotice"),
                }
            ],
        ),
        {
            "status": "CLOSED",
            "stage": "AWARD",
            "noticeType": "UK11",
            "buyerName": "Anytown Council",
            "buyerOrg": TOWN["id"],
            "buyerRegion": "UKX11",
            "valueMax": 78,
            "cpvCodes": [],
        },
    ),
    "Find a Tender, procurement ended (UK12)": (
        fts(
            tag=["tenderCancellation"],
            parties=[TOWN_PARTY],
            tender={**ACT, "status": "complete", "documents": notice("UK12", "tenderCancellationNotice")},
            awards=[{"status": "cancelled", "relatedLots": ["1"]}],
        ),
        {"status": "CANCELLED", "stage": "TENDER", "noticeType": "UK12", "valueMax": None},
    ),
    "Find a Tender, dynamic market changed (UK15)": (
        fts(
            tag=["award", "contract"],
            tender={**ACT, "documents": notice("UK15", "awardNotice")},
            awards=[{"id": str(n)} for n in range(30)],
        ),
        {"status": "CLOSED", "stage": "TENDER", "noticeType": "UK15", "valueMax": None},
    ),
    "Find a Tender, old-regime tender with an object for a list": (
        fts(
            tag=["tender"],
            tender={
                **OLD,
                "status": "active",
                "classification": cpv("85100000")[0],
                "value": {"amount": 5000000.0, "currency": "GBP"},
                "items": [
                    {
                        "additionalClassifications": cpv("85147000"),
                        "deliveryAddresses": {"1": {"region": "UK"}},
                    }
                ],
                "tenderPeriod": {"endDate": "2021-03-09T12:00:00Z"},
            },
        ),
        {
            "status": "OPEN",
            "regime": "CELEX",
            "noticeType": None,
            "cpvCodes": ["85100000", "85147000"],
            "valueBasis": "net",
            "deadlineDate": datetime(2021, 3, 9, 12, tzinfo=UTC),
            "sourceUrl": f"{FTS_PAGE}012345-2026",
        },
    ),
    "Find a Tender, old-regime award with cancelled lots": (
        fts(
            tag=["award", "contract"],
            tender={
                **OLD,
                "status": "complete",
                "classification": cpv("24311521")[0],
                "lots": [{"status": "cancelled"}] * 2,
            },
            awards=[{"status": "active"}, {"status": "active"}],
            contracts=[{"value": {"amount": n, "currency": "GBP"}, "status": "active"} for n in (5, 7)],
        ),
        {"status": "AWARDED", "stage": "AWARD", "valueMin": 7, "valueMax": 12, "sector": "Chemicals"},
    ),
    "Contracts Finder, tender": (
        cf(
            date="2026-01-23T16:37:43Z",
            tag=["tenderAmendment"],
            buyer={"id": "GB-CFS-1", "name": "Anytown"},
            parties=[{"id": "GB-CFS-1", "name": "Anytown", "roles": ["buyer"]}],
            tender={
                "title": " Switchgear ",
                "status": "active",
                "classification": cpv("45000000")[0],
                "additionalClassifications": cpv("31682540", "45000000"),
                "minValue": {"amount": 250000, "currency": "GBP"},
                "value": {"amount": 250001, "currency": "GBP"},
                "tenderPeriod": {"endDate": "2026-02-04T13:00:00Z"},
                "items": [{"deliveryAddresses": [{"region": "London"}, {"countryName": "Europe"}]}],
                "documents": [{"documentType": "tenderNotice", "url": CF_PAGE}],
            },
        ),
        {
            "noticeId": f"{GUID}-654321",
            "sourceUrl": CF_PAGE,
            "title": "Switchgear",
            "status": "OPEN",
            "stage": "TENDER",
            "cpvCodes": ["45000000", "31682540"],
            "valueMin": 250000,
            "valueMax": 250001,
            "valueBasis": None,
            "regime": None,
            "buyerRegion": "London",
            "deadlineDate": datetime(2026, 2, 4, 13, tzinfo=UTC),
        },
    ),
    "Contracts Finder, award": (
        cf(
            tag=["award"],
            tender={"status": "complete", "classification": cpv("60000000")[0]},
            awards=[
                {
                    "status": "active",
                    "value": {"amount": 3036.96, "currency": "GBP"},
                    "documents": [{"documentType": "awardNotice", "url": CF_PAGE}],
                }
            ],
        ),
        {"status": "AWARDED", "stage": "AWARD", "valueMax": 3036.96, "sourceUrl": CF_PAGE},
    ),
}


@pytest.mark.parametrize(("contract", "expected"), KINDS.values(), ids=KINDS)
def test_kinds_of_notices(contract, expected):
    assert {field: contract[field] for field in expected} == expected
