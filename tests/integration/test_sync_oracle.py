"""The oracle of these tests is not blind: each kind of loss, done to a complete database, is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.oracle import problems
from tests.integration.world import dump, restore


@pytest.fixture(scope="module")
def kept():
    """What a complete run left in the database, by source: made by the first test of each."""
    return {}


@pytest.fixture
def complete(world, kept):
    if world.source.name in kept:
        restore(world.db, kept[world.source.name])
        return world
    world.run()
    assert problems(world) == []
    kept[world.source.name] = dump(world.db)
    return world


def test_missing_contract_is_named(complete):
    lost = complete.db.contracts.find_one_and_delete({})
    assert any(line.startswith(f"missing: {lost['source']} {lost['noticeId']}") for line in problems(complete))


def test_extra_contract_is_named(complete):
    copied = complete.db.contracts.find_one({}, {"_id": 0})
    complete.db.contracts.insert_one(copied | {"noticeId": "never-published"})
    assert any(line.startswith("extra: ") and "never-published" in line for line in problems(complete))


def test_stale_contract_is_named(complete):
    complete.db.contracts.update_one({}, {"$set": {"rawData.tender.title": "as it was"}})
    assert any(line.startswith("stale: ") and "rawData" in line for line in problems(complete))


def test_wrong_count_is_named(complete):
    buyer = complete.db.buyers.find_one_and_update({}, {"$inc": {"contractCount": 1}})
    assert any(line.startswith(f"contractCount of {buyer['orgId']}") for line in problems(complete))


def test_contract_of_another_buyer_is_named(complete):
    one, other = complete.db.buyers.find().limit(2)
    complete.db.contracts.update_many({"buyerId": one["_id"]}, {"$set": {"buyerId": other["_id"]}})
    assert any(f"belongs to {other['orgId']}, not to {one['orgId']}" in line for line in problems(complete))


def test_contract_that_supersedes_nothing_any_more_is_named(complete):
    shown = complete.db.contracts.find_one({"isLatest": True})
    complete.db.contracts.update_one({"_id": shown["_id"]}, {"$set": {"isLatest": False}})
    assert any(f"{shown['noticeId']} has isLatest False; expected True" in line for line in problems(complete))


def test_lost_rejected_release_is_named(complete):
    complete.catalogue.publish(complete.source.name, {"title": "no id"}, when=complete.clock.now() - timedelta(hours=1))
    complete.run()
    assert problems(complete) == []
    complete.db.rejectedReleases.delete_many({})
    assert any(line.startswith("rejected but not kept") for line in problems(complete))


def test_rejected_release_that_was_never_shown_is_named(complete):
    complete.db.rejectedReleases.insert_one({"source": complete.source.name, "contentHash": "x"})
    assert any(line.startswith("kept as rejected but not shown") for line in problems(complete))


@pytest.mark.parametrize("collection", ["contracts", "buyers", "rejectedReleases"])
def test_doubled_document_is_named(complete, client, collection):
    """The unique indexes forbid it: so in a copy without them."""
    if collection == "rejectedReleases":
        complete.db[collection].insert_one({"source": complete.source.name, "contentHash": "x"})
    copy = client["copy_without_indexes"]
    try:
        for name in complete.db.list_collection_names():
            copy[name].insert_many(list(complete.db[name].find()) or [{}])
        copied = copy[collection].find_one({}, {"_id": 0})
        copy[collection].insert_one(copied)
        complete.db = copy
        assert any(line.startswith("doubled: ") for line in problems(complete))
    finally:
        client.drop_database(copy)


@pytest.mark.parametrize(
    ("collection", "change"),
    [
        ("syncJobs", {"$set": {"lastSyncedDate": "2031-01-01T00:00:00Z"}}),
        ("syncJobs", {"$set": {"lease": {"owner": "x"}}}),
        ("syncJobs", {"$set": {"window": None, "cursor": "x"}}),
        ("syncJobs", {"$set": {"window": {"from": datetime(2031, 1, 1, tzinfo=UTC)}}}),
        ("syncJobs", {"$set": {"backfillCompletedAt": None}}),
        ("syncJobs", {"$set": {"status": "backfilling"}}),
        ("syncJobs", {"$inc": {"totalFetched": 1}}),
        ("syncJobs", {"$inc": {"totals.created": 1}}),
        ("syncRuns", {"$inc": {"unchanged": 1}}),
        ("syncRuns", {"$inc": {"pages": 1000}}),
        ("syncRuns", {"$set": {"endedAt": None}}),
    ],
    ids=str,
)
def test_impossible_job_or_run_is_named(complete, collection, change):
    complete.db[collection].update_one({}, change)
    assert problems(complete)
