"""Find a Tender as data, every number beside the place it comes from."""

import re
from datetime import UTC, datetime, timedelta

from tender_sync.sources.base import LONDON, PublisherRules, RegionPlace, Source
from tender_sync.windows import WindowRules

FIND_A_TENDER = Source(
    name="FIND_A_TENDER",
    title="Find a Tender",
    dag_id="find_a_tender",
    http_conn_id="find_a_tender_api",
    base_url="https://www.find-tender.service.gov.uk",
    # Never with `stages`: any value drops all Procurement Act notices and all updates (probed August 2026).
    path="/api/1.0/ocdsReleasePackages",
    history_start=datetime(2021, 1, 1, tzinfo=UTC),  # the service's first day
    # 12 requests in any 120 s (recorded 429: "Rate limit of 12 exceeded"), and 50 ms each for the network's jitter.
    pace=10.05,
    burst=12,
    windows=WindowRules(
        from_param="updatedFrom",
        to_param="updatedTo",
        # Times are London local time, and a trailing Z is ignored (probed: the same 43 releases with and without).
        clocks=(LONDON,),
        # Kingfisher Collect met releases missing from long walks and went from a day to six hours (issues 1203, 1212).
        first_span=timedelta(hours=6),
        max_unproven_span=timedelta(hours=6),
        # Three days are a weekend; six pages are a busy working day, met whole in August 2026.
        max_span=timedelta(days=3),
        target_pages=6,
        max_pages=20,  # past that something is wrong with the walk
        # Two clean hours for late indexing; at the busiest they hold about one page.
        look_back=timedelta(hours=2),
    ),
    # Notices are numbered as they are published: 075502-2026 to 075962-2026 on the recorded 10 August 2026.
    notice_number=re.compile(r"(?P<number>\d{6})-(?P<year>\d{4})", re.ASCII),
    publisher=PublisherRules(
        page_host="www.find-tender.service.gov.uk",
        page_path="/Notice/",
        page_id=re.compile("[0-9]{6}-[0-9]{4}"),
        versioned_id=None,  # every step is a new notice with an id of its own
        region=RegionPlace.BUYER,  # every buyer's address has one
        states_value_basis=True,
        states_regime=True,
        own_register="GB-FTS",  # of 132 names under its ids 27 had several
    ),
)
