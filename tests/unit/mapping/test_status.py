"""Stage and status of every kind of notice, as a table."""

from __future__ import annotations

import pytest

from tender_sync.mapping.release import Release, map_stage, map_status


def release(tag, status=None, notice_type=None, awards=None, contracts=None, lots=None):
    tender = {"lots": [{"status": lot} for lot in lots or []]}
    if status is not None:
        tender["status"] = status
    if notice_type:
        tender["documents"] = [{"id": "1", "documentType": "tenderNotice", "noticeType": notice_type}]
    made = {"id": "1", "tag": tag, "tender": tender}
    if awards is not None:
        made["awards"] = [{"status": award} if award else {} for award in awards]
    if contracts is not None:
        made["contracts"] = [{"status": contract} if contract else {} for contract in contracts]
    return made


CASES = {
    # each case is a release, then its stage and status
    "planned": (release(["planning"], "planned", "UK3"), "PLANNING", "OPEN"),
    "market engagement": (release(["planning"], "planning", "UK2"), "PLANNING", "OPEN"),
    "planning update": (release(["planningUpdate"], "planned"), "PLANNING", "OPEN"),
    "planning without a status": (release(["planning"]), "PLANNING", "CLOSED"),
    "planning withdrawn": (release(["planning"], "withdrawn"), "PLANNING", "CANCELLED"),
    "open tender": (release(["tender"], "active", "UK4"), "TENDER", "OPEN"),
    "open tender, updated": (release(["tenderUpdate"], "active"), "TENDER", "OPEN"),
    "open tender, amended": (release(["tenderAmendment"], "active"), "TENDER", "OPEN"),
    "corrigendum without a status": (release(["tenderUpdate"]), "TENDER", "CLOSED"),
    "planning and tender": (release(["planning", "tender"], "active"), "TENDER", "OPEN"),
    "tender over": (release(["tender"], "complete"), "TENDER", "CLOSED"),
    "tender without a bid": (release(["tender"], "unsuccessful"), "TENDER", "CLOSED"),
    "tender cancelled by its status": (release(["tender"], "cancelled"), "TENDER", "CANCELLED"),
    "status in a word of its own": (release(["tender"], "on hold"), "TENDER", "CLOSED"),
    "status of another type": (release(["tender"], 7), "TENDER", "CLOSED"),
    "case and blanks": (release([" Tender "], " Active "), "TENDER", "OPEN"),
    "cancellation, complete": (release(["tenderCancellation"], "complete", "UK12"), "TENDER", "CANCELLED"),
    "cancellation, active": (release(["tenderCancellation"], "active"), "TENDER", "CANCELLED"),
    "cancellation, no status": (release(["tenderCancellation"]), "TENDER", "CANCELLED"),
    "cancellation with its dropped award": (
        release(["tenderCancellation"], "complete", "UK12", awards=["cancelled"], contracts=["cancelled"]),
        "TENDER",
        "CANCELLED",
    ),
    "cancellation beside an award": (
        release(["tenderCancellation"], awards=["active"]),
        "TENDER",
        "CANCELLED",
    ),
    "award dropped": (release(["awardCancellation"], "complete", awards=["active"]), "AWARD", "CANCELLED"),
    "award": (release(["award"], "complete", awards=["active"]), "AWARD", "AWARDED"),
    "award, updated": (release(["awardUpdate"], "complete", awards=["active"]), "AWARD", "AWARDED"),
    "transparency notice": (
        release(["award", "contract"], "complete", "UK5", awards=["pending"]),
        "AWARD",
        "AWARDED",
    ),
    "contract award": (
        release(["award", "contract"], "complete", "UK6", awards=["pending"]),
        "AWARD",
        "AWARDED",
    ),
    "contract details": (
        release(["award", "contract"], "complete", "UK7", awards=[None], contracts=["active"]),
        "AWARD",
        "AWARDED",
    ),
    "award still called active": (release(["award"], "active", awards=["active"]), "AWARD", "AWARDED"),
    "award update without a status": (
        release(["awardUpdate", "contractUpdate"], awards=[None]),
        "AWARD",
        "AWARDED",
    ),
    "contract change stub": (release(["contractAmendment"], None, "UK10"), "AWARD", "AWARDED"),
    "implementation": (release(["implementation"]), "AWARD", "AWARDED"),
    "contract ended": (
        release(["contractTermination"], None, "UK11", contracts=["terminated"]),
        "AWARD",
        "CLOSED",
    ),
    "contract ended, active": (release(["contractTermination"], "active"), "AWARD", "CLOSED"),
    "old regime: cancelled lots beside active awards": (
        release(["award", "contract"], "complete", awards=["active"] * 3, lots=["cancelled"] * 3),
        "AWARD",
        "AWARDED",
    ),
    "old regime: discontinued": (
        release(["award", "contract"], "cancelled", awards=["unsuccessful"], lots=["cancelled"]),
        "AWARD",
        "CANCELLED",
    ),
    "no winner": (release(["award"], "complete", awards=["unsuccessful"] * 2), "AWARD", "CLOSED"),
    "one lot of two without a winner": (
        release(["award"], "complete", awards=["unsuccessful", "active"]),
        "AWARD",
        "AWARDED",
    ),
    "every award cancelled": (release(["award"], "complete", awards=["cancelled"]), "AWARD", "CANCELLED"),
    "award stage, nothing awarded, withdrawn": (release(["award"], "withdrawn"), "AWARD", "CANCELLED"),
    "award stage, nothing awarded, no bid": (release(["award"], "unsuccessful"), "AWARD", "CLOSED"),
    "dynamic market planned": (release(["tender"], "active", "UK13"), "TENDER", "OPEN"),
    "dynamic market opened": (
        release(["award", "contract"], "complete", "UK14", awards=[None] * 5),
        "TENDER",
        "CLOSED",
    ),
    "dynamic market changed": (
        release(["award", "contract"], None, "UK15", awards=[None] * 5),
        "TENDER",
        "CLOSED",
    ),
    "tagged tender, but awarded": (release(["tender"], "active", awards=["active"]), "AWARD", "AWARDED"),
    "tagged tender, but contracted": (release(["tender"], "active", contracts=["active"]), "AWARD", "AWARDED"),
    "no tag, awarded": (release(None, "complete", awards=["active"]), "AWARD", "AWARDED"),
    "no tag, planned": (release([], "planned"), "PLANNING", "OPEN"),
    "no tag, nothing": (release(None), "TENDER", "CLOSED"),
    "unknown tag": (release(["compiled"], "active"), "TENDER", "OPEN"),
    "a tag, not a list of them": (release("tenderCancellation", "active"), "TENDER", "CANCELLED"),
    "two tags in one text": (release("tender,Award", "active"), "AWARD", "AWARDED"),
}


@pytest.mark.parametrize(("given", "stage", "status"), CASES.values(), ids=CASES)
def test_stage_and_status(given, stage, status):
    assert (map_stage(given), map_status(given)) == (stage, status)


def test_a_planning_section_tells_the_stage_where_no_tag_does():
    assert map_stage({"planning": {"rationale": "we may"}}) == "PLANNING"


def test_the_notice_type_of_a_release_is_that_of_its_own_document():
    """A market modification also lists the notice that opened a tender; its own document decides."""
    given = release(["award", "contract"], "complete", awards=["active"])
    given["id"] = "000002-2026"
    given["awards"][0]["documents"] = [
        {"id": "000002-2026", "documentType": "awardNotice", "noticeType": "UK6"},
        {"id": "000001-2026", "documentType": "awardNotice", "noticeType": "UK15"},
    ]

    assert (map_stage(given), map_status(given)) == ("AWARD", "AWARDED")


def test_awards_of_odd_types_are_no_awards():
    assert Release({"awards": ["yes", 1, None, {"status": "cancelled"}]}).standing_awards == []
