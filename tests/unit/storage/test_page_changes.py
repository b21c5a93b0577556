"""What writing a page changes, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.storage.contracts import classify
from tender_sync.storage.documents import read_contract

PUBLISHED = datetime(2026, 6, 5, 9, tzinfo=UTC)
NOW = PUBLISHED + timedelta(days=1)
HOUR = timedelta(hours=1)


def contract(title: str = "Salt", date: datetime | None = PUBLISHED, notice_id: str = "1") -> Any:
    release = {"id": notice_id, "ocid": f"ocds-h6vhtk-{notice_id}", "tag": ["tender"], "tender": {"title": title}}
    return map_ocds_to_contract(release | {"date": date and date.isoformat()}, "FIND_A_TENDER")


def by_kind(changes: Any) -> dict[str, list[str]]:
    kinds = {name: getattr(changes, name) for name in ("created", "updated", "remapped", "unchanged")}
    return {name: [each["title"] for each in found.values()] for name, found in kinds.items() if found}


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        (None, contract(), "created"),
        (contract(), contract(), "unchanged"),
        (contract() | {"mapperVersion": 0}, contract(), "remapped"),
        (contract(), contract("Grit", PUBLISHED + HOUR), "updated"),
        (contract(), contract("Grit"), "updated"),
        (contract(), contract("Grit", PUBLISHED - HOUR), "unchanged"),
        (contract(), contract("Grit", None), "unchanged"),
        (contract(date=None), contract("Grit", None), "updated"),
        (contract(date=NOW + HOUR), contract("Grit", PUBLISHED), "updated"),
        ({"noticeId": "1"}, contract(), "updated"),
        ({"noticeId": "1", "publishedDate": "2030-01-01"}, contract(), "updated"),
    ],
)
def test_kind_of_a_change(before, now, kind):
    changes = classify([now], {"1": read_contract(before)} if before else {}, NOW)
    assert by_kind(changes) == {kind: [now["title"]]}
    assert set(changes.writes) == (set() if kind == "unchanged" else {"1"})
    assert changes.counts.total() == 1


def test_newest_of_a_page_counts_and_the_others_are_doubled():
    page = [contract("same date, later in the page"), contract("new", PUBLISHED + HOUR), contract("none", None)]
    page += [contract("first", notice_id="2"), contract("second", notice_id="2")]
    changes = classify(page, {}, NOW)
    assert by_kind(changes) == {"created": ["new", "first"]}
    assert changes.counts == {"created": 2, "updated": 0, "unchanged": 0, "doubled": 3}
