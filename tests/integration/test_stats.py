"""The counts by day, stage and sector: equal to a recount after anything a page may do, and set right by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tender_sync.errors import SkipRun
from tender_sync.storage.contract_counts import ContractCounts, flat
from tests.integration.oracle import problems
from tests.integration.world import START, release
from tests.integration.writer import Writer, aggregations

JUNE = datetime(2026, 6, 5, 9, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def counts(db):
    return {each["month"]: flat(each) for each in db.syncStats.find()}


@pytest.fixture
def writer(world_db, source):
    return Writer(world_db, source)


def test_each_contract_counts_once_in_its_month(writer, world_db):
    writer.commit(
        release("1", date=JUNE),
        release("2", date=JULY, tag=["planning"]),
        {**release("3", date=JUNE), "date": None},
        release("4", date=JULY - timedelta(seconds=1)),
    )
    assert counts(world_db) == {
        "2026-06": {"contracts": 2, "days.05": 1, "days.30": 1, "stages.TENDER": 2, "sectors.none": 2},
        "2026-07": {"contracts": 1, "days.01": 1, "stages.PLANNING": 1, "sectors.none": 1},
        "undated": {"contracts": 1, "stages.TENDER": 1, "sectors.none": 1},
    }


def test_release_seen_again_changes_nothing(writer, world_db):
    writer.commit(release("1", date=JUNE))
    before = counts(world_db)
    writer.commit(release("1", date=JUNE))
    assert counts(world_db) == before


def test_newer_version_leaves_its_old_month_stage_and_sector(writer, world_db):
    works = {"tender": {"classification": {"scheme": "CPV", "id": "45000000"}, "status": "active"}}
    writer.commit(release("1", date=JUNE))
    writer.commit(release("1", date=JULY, tag=["award"], **works))
    assert counts(world_db) == {
        "2026-06": {},
        "2026-07": {"contracts": 1, "days.01": 1, "stages.AWARD": 1, "sectors.Construction": 1},
    }


def test_page_that_is_not_committed_counts_nothing(writer, world_db):
    """The lease is taken over while the page is being written."""
    world_db.syncJobs.update_one({}, {"$set": {"lease.token": "another"}})
    with pytest.raises(SkipRun, match="taken over"):
        writer.commit(release("1", date=JUNE))
    assert counts(world_db) == {}


def test_recount_sets_wrong_counts_right_and_only_those(writer, world_db, source):
    writer.commit(release("1", date=JUNE), release("2", date=JULY))
    right = counts(world_db)
    stats = ContractCounts(world_db, source)
    assert stats.recount() == 0
    world_db.syncStats.update_one({"month": "2026-06"}, {"$inc": {"stages.TENDER": 3, "days.09": 1}})
    world_db.syncStats.insert_one({"source": source.name, "month": "2019-01", "contracts": 7})
    world_db.syncStats.delete_one({"month": "2026-07"})
    assert stats.recount() == 3
    assert counts(world_db) == right | {"2019-01": {}}


def test_months_are_found_in_the_index_alone(writer, world_db, source, monkeypatch):
    writer.commit(*(release(str(number), date=JUNE) for number in range(20)))
    asked = aggregations(monkeypatch)
    ContractCounts(world_db, source).recount()
    explained = world_db.command("explain", asked[0], verbosity="executionStats")
    executed = explained["stages"][0]["$cursor"]["executionStats"]
    assert executed["totalDocsExamined"] == 0


def test_december_ends_with_the_year(writer, world_db, source):
    writer.commit(release("1", date=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)))
    before = counts(world_db)
    assert before["2025-12"]["days.31"] == 1
    assert ContractCounts(world_db, source).recount() == 0


def test_recount_removes_documents_of_no_month(writer, world_db, source):
    """An older version that runs for a while after a newer one leaves its mark again."""
    writer.commit(release("1", date=JUNE))
    right = counts(world_db)
    world_db.syncStats.insert_many({"source": source.name, "month": month} for month in ("mark", "2026-13", 7))
    assert ContractCounts(world_db, source).recount() == 0
    assert counts(world_db) == right


def test_counts_equal_what_is_stored_after_a_walk_and_its_replay(world):
    world.run_until_done()
    assert problems(world) == []
    before = counts(world.db)
    assert sum(month["contracts"] for month in before.values()) == world.db.contracts.count_documents({})
    for notice_id in list(world.catalogue.existing(world.source.name))[:20:4]:
        world.catalogue.change(world.source.name, notice_id, in_place=True)
    world.db.syncJobs.update_one({}, {"$set": {"lastSyncedDate": f"{START:%Y-%m-%dT%H:%M:%SZ}"}})
    world.pass_time(minutes=10)
    world.run_until_done()
    assert problems(world) == []
