"""A database that an older version has written is brought up to date once, whatever interrupts it."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES
from tender_sync.storage import migrations
from tender_sync.storage.contract_counts import ContractCounts
from tender_sync.storage.schema import ensure_schema
from tests.integration.test_stats import JULY, JUNE, counts
from tests.integration.world import dump, release
from tests.integration.writer import Writer


@pytest.fixture
def filled(world_db):
    """A database with contracts of both sources, as the version before `syncSchema` has written it."""
    for source in SOURCES.values():
        Writer(world_db, source).commit(release("1", date=JUNE), release("2", date=JULY))
    world_db.syncSchema.delete_many({})
    world_db.syncStats.insert_many({"source": name, "month": "mark", "countedAt": JULY} for name in SOURCES)
    return world_db


def version(db):
    return db.syncSchema.find_one({"_id": "version"})["version"]


def test_database_of_the_version_before_is_taken_over(filled):
    right = {(each["source"], each["month"]): each for each in filled.syncStats.find({"month": {"$ne": "mark"}})}
    with patch.object(ContractCounts, "recount", side_effect=AssertionError("they are counted")):
        ensure_schema(filled)
    assert {(each["source"], each["month"]): each for each in filled.syncStats.find()} == right
    assert version(filled) == len(migrations._STEPS)


def test_contracts_from_before_counts_were_kept_are_counted_once(filled):
    filled.syncStats.delete_many({"month": "mark"})
    right = counts(filled)
    filled.syncStats.delete_many({})
    ensure_schema(filled)
    assert counts(filled) == right
    filled.syncStats.update_many({"month": "2026-06"}, {"$inc": {"contracts": 1}})
    ensure_schema(filled)
    assert counts(filled)["2026-06"]["contracts"] == 2, "counted a second time"


def test_only_the_source_that_was_never_counted_is(filled):
    gone = {"source": CONTRACTS_FINDER.name}
    right = list(filled.syncStats.find({**gone, "month": {"$ne": "mark"}}, {"_id": 0}).sort("month"))
    filled.syncStats.delete_many(gone)
    filled.syncStats.update_many({"source": FIND_A_TENDER.name, "month": "2026-06"}, {"$inc": {"contracts": 5}})
    ensure_schema(filled)
    assert [{**each, "contracts": 1} for each in right] == list(filled.syncStats.find(gone, {"_id": 0}).sort("month"))
    assert filled.syncStats.find_one({"source": FIND_A_TENDER.name, "month": "2026-06"})["contracts"] == 6


def test_step_that_was_cut_short_is_done_again(filled):
    """It died between two months: what it has done does not count as done."""
    filled.syncStats.delete_many({"month": "mark"})
    right = counts(filled)
    filled.syncStats.delete_many({})
    recount, months = ContractCounts._recount, []

    def cut(self, month, session):
        if months:
            raise ConnectionError("the power is gone")
        months.append(month)
        return recount(self, month, session)

    with patch.object(ContractCounts, "_recount", cut), pytest.raises(ConnectionError):
        ensure_schema(filled)
    assert months
    assert filled.syncSchema.find_one() is None
    ensure_schema(filled)
    assert counts(filled) == right


def test_second_time_changes_nothing(filled):
    ensure_schema(filled)
    before = dump(filled)
    with patch.object(migrations, "_STEPS", ()):
        ensure_schema(filled)
    ensure_schema(filled)
    assert dump(filled) == before, "an older version that runs meanwhile does not set it back"
