"""Whatever an API sends: a page commits, and every release of it is a contract or kept as rejected."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tender_sync.errors import RejectedRelease
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.storage.rejected import Rejection
from tests.integration.world import forget
from tests.integration.writer import PUBLISHED, Writer
from tests.unit.mapping.test_properties import releases

if TYPE_CHECKING:
    from collections import Counter

HALF_A_PAIR = chr(0xD800)


def deep(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels):
        value = [value]
    return value


def noise(size: int) -> str:
    """Text that does not compress."""
    return random.Random(size).randbytes(size // 2).hex()


SLOW = "40 MB that do not compress to 16"
WORST = {
    "half a surrogate pair as the id of what is too deep": {"id": f"1{HALF_A_PAIR}", "tender": deep(200)},
    "an id of 4,000 digits of what is too deep": {"id": 10**4000, "tender": deep(200)},
    "a NUL in a key, of what is too deep": {"id": "1", "a\0b": deep(200)},
    "no object": HALF_A_PAIR,
    "a list as id": {"id": ["1"]},
    "just over 16 MB": {"id": "1", "description": "x" * 16_777_216},
    SLOW: {"id": "1", "description": noise(40_000_000)},
}


def commit(writer: Writer, page: list[object]) -> Counter[str]:
    """Map and commit a page as the engine does."""
    contracts, rejections = [], []
    for release in page:
        try:
            contracts.append(map_ocds_to_contract(release, writer.source.name))
        except RejectedRelease as rejected:
            rejections.append(Rejection(release, str(rejected)))
    return writer.commit_contracts(contracts, rejections=rejections)


@pytest.mark.parametrize("worst", [pytest.param(name, marks=[pytest.mark.long] * (name == SLOW)) for name in WORST])
def test_release_mongodb_cannot_hold_costs_no_page(world_db, source, worst, tell):
    tell("any JSON", f"{source.name:<17}{worst}")
    counted = commit(Writer(world_db, source), [WORST[worst], {"id": "2", "date": f"{PUBLISHED:%Y-%m-%dT%H:%M:%SZ}"}])
    assert (counted["created"], counted["rejected"]) == (1, 1)
    kept = world_db.rejectedReleases.find_one()
    assert kept["reason"]
    assert "raw" in kept or "rawZlib" in kept


def test_rejected_release_leaves_with_the_contract_of_its_id_however_written(world_db, source):
    writer = Writer(world_db, source)
    commit(writer, [{"id": " 1 ", "tender": deep(200)}])
    assert world_db.rejectedReleases.find_one()["noticeId"] == "1"
    commit(writer, [{"id": "1"}])
    assert world_db.rejectedReleases.count_documents({}) == 0


def test_any_page_commits_and_its_counts_add_up(world_db, source, request, tell):
    """Pages of any JSON at all, and of releases with anything in their fields."""
    examples = 400 if request.config.getoption("--long") else 25
    tell("any JSON", f"{source.name:<17}{examples} pages")

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(releases, max_size=8))
    def commits(page: list[object]) -> None:
        forget(world_db)
        counted = commit(Writer(world_db, source), page)
        became = sum(counted[name] for name in ("created", "updated", "unchanged", "rejected", "doubled"))
        assert counted["fetched"] == became == len(page)
        assert world_db.contracts.count_documents({}) == counted["created"]
        assert world_db.rejectedReleases.count_documents({}) <= counted["rejected"]
        assert bool(world_db.rejectedReleases.count_documents({})) == bool(counted["rejected"])
        assert json.dumps([each["noticeId"] for each in world_db.contracts.find()])

    commits()
