"""Contracts Finder as data, every number beside the place it comes from."""

import re
from datetime import UTC, datetime, timedelta

from tender_sync.sources.base import COMMON_STATUSES, LONDON, Action, PublisherRules, RegionPlace, Source, StatusRule
from tender_sync.windows import WindowRules

_GUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

CONTRACTS_FINDER = Source(
    name="CONTRACTS_FINDER",
    title="Contracts Finder",
    dag_id="contracts_finder",
    http_conn_id="contracts_finder_api",
    base_url="https://www.contractsfinder.service.gov.uk",
    path="/Published/Notices/OCDS/Search",  # `/Published/OCDS/Search` is a 404
    history_start=datetime(2016, 11, 1, tzinfo=UTC),  # OCDS begins here (Kingfisher Collect)
    pace=10.05,  # undocumented; the other service's rate is a polite guess
    burst=12,  # far fewer than Kingfisher Collect makes, which knows no pace but one request at a time
    windows=WindowRules(
        from_param="publishedFrom",
        to_param="publishedTo",
        # Whether a time without zone means UTC or London is documented nowhere: cover both.
        clocks=(UTC, LONDON),
        first_span=timedelta(days=1),
        max_unproven_span=timedelta(days=15),  # Kingfisher Collect's window, in use for years
        max_span=timedelta(days=15),
        # 15 days are about 40 pages of 100; twice that is still one walk of a quarter of an hour.
        target_pages=40,
        max_pages=80,
        look_back=timedelta(hours=2),  # more than the hour by which the two readings of its clock differ
    ),
    audit_span=timedelta(days=1),
    # "no further requests should be made until after 5 minutes" (its documentation, on a 403).
    statuses={**COMMON_STATUSES, 403: StatusRule(Action.RETRY, wait=300)},
    publisher=PublisherRules(
        page_host="www.contractsfinder.service.gov.uk",
        page_path="/Notice/",
        page_id=re.compile(_GUID),
        versioned_id=re.compile(f"(?P<guid>{_GUID})-[0-9]+"),  # its pages lack the number
        region=RegionPlace.DELIVERY,  # no party has one; 71 of 124 releases name one or more to deliver to
        states_value_basis=False,
        states_regime=False,
        own_register="GB-CFS",  # of 376 names under its ids 19 had several
    ),
)
