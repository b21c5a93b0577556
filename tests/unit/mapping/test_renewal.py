"""Whether a contract may be renewed or extended."""

from __future__ import annotations

import pytest

from tender_sync.mapping.release import Release
from tender_sync.mapping.renewal import renewal


def tender(**fields):
    return {"tag": ["tender"], "tender": fields}


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
