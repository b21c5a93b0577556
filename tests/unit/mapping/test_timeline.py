"""The dates of a procurement; deadlines and publication stand in test_ocds.py."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.mapping.release import Release
from tender_sync.mapping.timeline import award_date, contract_period, deadline_date


def day(month, number):
    return datetime(2026, month, number, tzinfo=UTC)


def days(first, last):
    return {"startDate": first, "endDate": last}


CONTRACT = {"status": "active", "period": days("2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z")}
AWARD = {"status": "active", "contractPeriod": days("2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z")}
LOTS = [
    {"contractPeriod": days("2026-03-02T00:00:00Z", "2026-03-30T00:00:00Z")},
    {"contractPeriod": days("2026-03-01T00:00:00Z", "2026-03-29T00:00:00Z")},
]
TENDER = {"contractPeriod": days("2026-11-01T00:00:00Z", "2026-11-30T00:00:00Z")}
FRAMEWORK = {"techniques": {"frameworkAgreement": {"period": days("2026-12-01T00:00:00Z", "2026-12-31T00:00:00Z")}}}


@pytest.mark.parametrize(
    ("release", "start", "end"),
    [
        ({"contracts": [CONTRACT], "awards": [AWARD], "tender": {**TENDER, "lots": LOTS}}, day(1, 1), day(1, 31)),
        ({"awards": [AWARD], "tender": {**TENDER, "lots": LOTS}}, day(2, 1), day(2, 28)),
        ({"tender": {**TENDER, **FRAMEWORK, "lots": LOTS}}, day(3, 1), day(3, 30)),
        ({"tender": {**TENDER, **FRAMEWORK}}, day(11, 1), day(11, 30)),
        ({"tender": FRAMEWORK}, day(12, 1), day(12, 31)),
        # what a place leaves out is said by a later one
        ({"contracts": [{"period": {"startDate": "2026-01-01T00:00:00Z"}}], "awards": [AWARD]}, day(1, 1), day(2, 28)),
        # dropped ones do not count
        ({"contracts": [{**CONTRACT, "status": "cancelled"}], "awards": [AWARD]}, day(2, 1), day(2, 28)),
        ({"awards": [{**AWARD, "status": "unsuccessful"}], "tender": TENDER}, day(11, 1), day(11, 30)),
        # an ended contract (UK11) ended when it says
        (
            {
                "contracts": [
                    {**CONTRACT, "status": "terminated", "implementation": {"endDate": "2026-01-15T00:00:00Z"}}
                ]
            },
            day(1, 1),
            day(1, 15),
        ),
        # a change that is not signed yet says what the contract itself does not
        (
            {"contracts": [{"proposedAmendments": [{"period": CONTRACT["period"]}]}], "awards": [AWARD]},
            day(1, 1),
            day(1, 31),
        ),
        ({"tender": {"lots": [{"contractPeriod": {"durationInDays": 1080}}]}}, None, None),
        ({"tender": {"contractPeriod": {"startDate": "0001-01-01T00:00:00", "endDate": None}}}, None, None),
        ({}, None, None),
    ],
)
def test_when_the_contract_begins_and_ends(release, start, end):
    assert contract_period(Release(release)) == (start, end)


def test_an_end_without_a_time_is_the_end_of_that_day():
    found = contract_period(Release({"tender": {"contractPeriod": days("2026-06-01", "2026-06-30")}}))
    assert found == (datetime(2026, 5, 31, 23, tzinfo=UTC), datetime(2026, 6, 30, 22, 59, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("release", "date"),
    [
        ({"awards": [{"date": "2026-02-03T00:00:00Z"}, {"date": "2026-02-01T00:00:00Z"}]}, day(2, 1)),
        ({"awards": [{}], "contracts": [{"dateSigned": "2026-02-04T00:00:00Z"}]}, day(2, 4)),
        (
            {"awards": [{"date": "2026-02-03T00:00:00Z"}], "contracts": [{"dateSigned": "2026-01-01T00:00:00Z"}]},
            day(2, 3),
        ),
        ({"awards": [{"status": "cancelled", "date": "2026-02-03T00:00:00Z"}]}, None),
        ({"awards": [{"milestones": [{"type": "futureSignatureDate", "dueDate": "2026-02-03T00:00:00Z"}]}]}, None),
        ({}, None),
    ],
)
def test_when_it_was_awarded(release, date):
    assert award_date(Release(release)) == date


def test_periods_of_the_tender():
    contract = map_ocds_to_contract(
        {
            "id": "1",
            "tender": {
                "tenderPeriod": {"startDate": "2026-03-01T09:00:00Z"},
                "enquiryPeriod": {"startDate": "2026-03-02T09:00:00Z", "endDate": "2026-03-10"},
            },
        },
        "FIND_A_TENDER",
    )
    assert contract["tenderPeriodStart"] == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert contract["enquiryPeriodEnd"] == datetime(2026, 3, 10, 23, 59, 59, tzinfo=UTC)
    assert contract["deadlineDate"] is None


def amended(text):
    tender = {"tenderPeriod": {"endDate": "2025-07-24T12:00:00+01:00"}, "description": text}
    return {"id": "1", "tag": ["tenderAmendment"], "tender": tender}


NEW_DAY = "Instead of: 24 July 2025\r\n Time: 12:00\r\n Read New: 28 July 2025\r\n Time: 13:00\r\n Other: a later day."


@pytest.mark.parametrize(
    ("text", "day", "hour"),
    [
        (f"Text to be corrected in the original notice:\r\n {NEW_DAY}", 28, 12),
        (f"{NEW_DAY} {NEW_DAY.replace('28', '31').replace('24', '28').replace('12:', '13:')}", 31, 12),
        (NEW_DAY.replace("24 July", "23 July"), 24, 11),
        (NEW_DAY.replace("28 July", "48 July"), 24, 11),
        ("Responses are due by 28 July 2025.", 24, 11),
    ],
    ids=["corrected", "corrected twice", "another date is corrected", "no date", "no correction"],
)
def test_contracts_finder_may_correct_a_deadline_in_words(text, day, hour):
    contract = map_ocds_to_contract(amended(text), "CONTRACTS_FINDER")
    assert contract["deadlineDate"] == datetime(2025, 7, day, hour, tzinfo=UTC)


def corrigendum(section, value, label=None):
    return {
        "id": "1",
        "tender": {
            "amendments": [
                {"unstructuredChanges": [{"where": {"section": section, "label": label}, "newValue": value}]}
            ]
        },
    }


@pytest.mark.parametrize(
    ("section", "value", "deadline"),
    [
        ("IV.2.2)", {"date": "2029-02-23T15:00:00Z"}, datetime(2029, 2, 23, 15, tzinfo=UTC)),
        ("IV.2.2", {"date": "2029-02-23T15:00:00Z"}, datetime(2029, 2, 23, 15, tzinfo=UTC)),
        ("Section IV 2.2", {"date": "2029-02-23T15:00:00Z"}, datetime(2029, 2, 23, 15, tzinfo=UTC)),
        ("IV.3.4)", {"date": "2029-02-23T15:00:00Z"}, datetime(2029, 2, 23, 15, tzinfo=UTC)),
        ("IV.2.2", {"text": "two weeks later"}, None),
        ("IV.2.7", {"date": "2029-02-23T15:00:00Z"}, None),
        ("II.2.4", {"text": "2029-02-23"}, None),
        (None, {"date": "2029-02-23T15:00:00Z"}, None),
    ],
)
def test_a_corrigendum_may_move_the_deadline(section, value, deadline):
    contract = map_ocds_to_contract(corrigendum(section, value), "FIND_A_TENDER")
    assert contract["deadlineDate"] == contract["statedDeadlineDate"] == deadline


def test_a_corrigendum_may_name_the_deadline_by_its_label_alone():
    moved = {"date": "2029-02-23T15:00:00Z"}, "Time limit for receipt of tenders or requests to participate"
    contract = map_ocds_to_contract(corrigendum("IV.2.3)", *moved), "FIND_A_TENDER")
    assert contract["deadlineDate"] == datetime(2029, 2, 23, 15, tzinfo=UTC)


def test_the_latest_of_the_deadlines_that_a_corrigendum_gives_its_lots_counts():
    release = corrigendum("IV.2.2)", {"date": "2029-02-28T12:00:00Z"})
    changes = release["tender"]["amendments"][0]["unstructuredChanges"]
    changes.append({"relatedLot": "2", "where": {"section": "IV.2.2)"}, "newValue": {"date": "2029-02-23T15:00:00Z"}})
    assert deadline_date(Release(release)) == datetime(2029, 2, 28, 12, tzinfo=UTC)
    changes.reverse()
    assert deadline_date(Release(release)) == datetime(2029, 2, 28, 12, tzinfo=UTC)
