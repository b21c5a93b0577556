"""The dates of a procurement: published, questions, bids, award, contract."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from tender_sync.mapping.dates import parse_date
from tender_sync.mapping.json_access import objects, texts, walk
from tender_sync.mapping.release import Release
from tender_sync.sources.base import LONDON

# How a corrigendum of the old rules names the deadline (docs/CONTRACTS.md). In the standard forms it is the "time limit
# for receipt of tenders or requests to participate" (of projects, of expressions of interest, for submission of
# applications). People write the section by hand: "IV.2.2)", "Section IV 2.2".
_DEADLINE = re.compile(
    r"\bIV[.\s]*(?:2[.\s]*2|3[.\s]*4)(?![0-9])|^time limit for (?:the )?(?:receipt|submission)\b", re.IGNORECASE
)
# Contracts Finder's amendments from one portal (Delta eSourcing) keep the old deadline as data, and state the new one
# so at the head of the description.
_DAY_AND_TIME = r"\d{1,2} [A-Z][a-z]+ \d{4}\s+Time: \d{1,2}:\d{2}"
_READ_NEW = re.compile(rf"Instead of: (?P<old>{_DAY_AND_TIME})\s+Read New: (?P<new>{_DAY_AND_TIME})")


def published_date(release: Release) -> datetime | None:
    """Return the date of the release, else that of the notice among its documents."""
    return _first([release.json.get("date"), *(document.get("datePublished") for document in release.notice_documents)])


def deadline_date(release: Release) -> datetime | None:
    """Return the end of the tender period or, for two-stage procedures, the deadline to express interest.

    Two-stage procedures have no tender period. A corrigendum of the old rules has neither: its deadline is the new time
    among its changes, the latest where lots differ. `enquiryPeriod.endDate` closes questions and is never the deadline.
    """
    tenders = release.tenders
    ends = (*walk(tenders, "tenderPeriod", "endDate"), *walk(tenders, "expressionOfInterestDeadline"))
    moved = (
        change
        for change in objects(tenders, "amendments", "unstructuredChanges")
        if any(_DEADLINE.search(named) for key in ("section", "label") for named in texts(change, "where", key))
    )
    stated = _first(ends, end_of_day=True)
    if stated is None:
        stated = max(_dates(walk([*moved], "newValue", "date"), end_of_day=True), default=None)
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
    awarded, signed = walk(release.contract_awards, "date"), walk(release.standing_contracts, "dateSigned")
    return min(_dates(awarded) or _dates(signed), default=None)


def contract_period(release: Release) -> tuple[datetime | None, datetime | None]:
    """Return the earliest start and the latest end of the contract, each from the first place that states it.

    The latest in the procurement's life comes first: proposed amendments are of a change not yet signed (UK10).
    Possible renewals (`maxExtentDate`) do not count.
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
    return next((min(found) for found in starts if found), None), next((max(found) for found in ends if found), None)


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
