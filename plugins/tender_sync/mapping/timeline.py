"""The dates of a procurement: published, questions, bids, award, contract."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tender_sync.mapping.dates import parse_date
from tender_sync.mapping.json_access import objects, texts, walk
from tender_sync.mapping.release import Release
from tender_sync.sources.base import LONDON

# How a corrigendum of the old rules names the deadline among the times that it moves. Section IV.2.2 of the standard
# forms is the "time limit for receipt of tenders or requests to participate" (of projects, of expressions of interest,
# for submission of applications); the forms for defence have it in IV.3.4. People write it by hand: "IV.2.2)",
# "Section IV 2.2".
_DEADLINE = re.compile(
    r"\bIV[.\s]*(?:2[.\s]*2|3[.\s]*4)(?![0-9])|^time limit for (?:the )?(?:receipt|submission)\b", re.IGNORECASE
)
# Contracts Finder's amendments from one portal (Delta eSourcing) keep the old deadline as data, and state the new one
# at the head of the description: "Instead of: 24 January 2025 Time: 12:00 Read New: 28 January 2025 Time: 12:00".
_DAY_AND_TIME = r"\d{1,2} [A-Z][a-z]+ \d{4}\s+Time: \d{1,2}:\d{2}"
_READ_NEW = re.compile(rf"Instead of: (?P<old>{_DAY_AND_TIME})\s+Read New: (?P<new>{_DAY_AND_TIME})")


class Period(NamedTuple):
    """From the earliest start to the latest end that are stated; either may be missing."""

    start: datetime | None
    end: datetime | None


def published_date(release: Release) -> datetime | None:
    """Return the date of the release, else that of the notice among its documents."""
    return _first([release.json.get("date"), *(document.get("datePublished") for document in release.notice_documents)])


def deadline_date(release: Release) -> datetime | None:
    """Return the end of the tender period or, for two-stage procedures, the deadline to express interest.

    Two-stage procedures have no tender period. A corrigendum of the old rules has neither: its deadline is the new time
    among its changes, the latest where lots differ. One that states it only in words has none.
    `enquiryPeriod.endDate` closes questions and is never the deadline.
    """
    stated = _first(
        [
            *walk(release.tenders, "tenderPeriod", "endDate"),
            *walk(release.tenders, "expressionOfInterestDeadline"),
        ],
        end_of_day=True,
    ) or max(_dates(_corrected_deadlines(release), end_of_day=True), default=None)
    for description in texts(release.tenders, "description"):
        for change in _READ_NEW.finditer(description):
            if stated and stated == _london_time(change["old"]):
                stated = _london_time(change["new"]) or stated
    return stated


def tender_period_start(release: Release) -> datetime | None:
    """Return the day from which bids are taken; no notice of either publisher has been seen to state it."""
    return _first(walk(release.tenders, "tenderPeriod", "startDate"))


def enquiry_period_end(release: Release) -> datetime | None:
    """Return the time after which no more questions are answered."""
    return _first(walk(release.tenders, "enquiryPeriod", "endDate"), end_of_day=True)


def award_date(release: Release) -> datetime | None:
    """Return the day of the first standing award, or the first signature where no award is dated (UK7, old rules)."""
    for dates in (walk(release.contract_awards, "date"), walk(release.standing_contracts, "dateSigned")):
        found = [date for date in map(parse_date, dates) if date]
        if found:
            return min(found)
    return None


def contract_period(release: Release) -> Period:
    """Return when the contract begins and ends, each from the first place that states it.

    The places, latest in the procurement's life first: the end of an ended contract, contracts, what a change not yet
    signed makes of them (UK10), awards, the tender's lots, the tender, the framework agreement. Possible renewals
    (`maxExtentDate`) do not count.
    """
    contracts = release.standing_contracts
    periods = (
        objects(contracts, "period"),
        objects(contracts, "proposedAmendments", "period"),
        objects(release.standing_awards, "contractPeriod"),
        objects(release.lots, "contractPeriod"),
        objects(release.tenders, "contractPeriod"),
        objects(release.tenders, "techniques", "frameworkAgreement", "period"),
    )
    ended = objects(contracts, "implementation")
    starts = (_dates(walk(place, "startDate")) for place in periods)
    ends = (_dates(walk(place, "endDate"), end_of_day=True) for place in (ended, *periods))
    return Period(
        start=next((min(found) for found in starts if found), None),
        end=next((max(found) for found in ends if found), None),
    )


def _dates(values: Iterable[object], *, end_of_day: bool = False) -> list[datetime]:
    return [date for value in values if (date := parse_date(value, end_of_day=end_of_day))]


def _first(values: Iterable[object], *, end_of_day: bool = False) -> datetime | None:
    return next(iter(_dates(values, end_of_day=end_of_day)), None)


def _london_time(written: str) -> datetime | None:
    """Read "28 January 2025 Time: 12:00" in London time; None where there is no such time."""
    try:
        return datetime.strptime(written, "%d %B %Y Time: %H:%M").replace(tzinfo=LONDON).astimezone(UTC)
    except ValueError:
        return None


def _corrected_deadlines(release: Release) -> list[Any]:
    """Return the new times of the changes that name the deadline by its section or label."""
    changes = objects(release.tenders, "amendments", "unstructuredChanges")
    moved = [
        change
        for change in changes
        if any(_DEADLINE.search(named) for key in ("section", "label") for named in texts(change, "where", key))
    ]
    return walk(moved, "newValue", "date")
