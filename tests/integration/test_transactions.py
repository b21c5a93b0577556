"""What a page, a batch or a recount reads and writes is part of its one transaction, command by command."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pymongo
import pytest
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tender_sync.pipeline.remap import Remap
from tender_sync.run_outcome import Outcome
from tender_sync.sources import FIND_A_TENDER
from tender_sync.storage.buyers import Buyers
from tender_sync.storage.contract_counts import ContractCounts
from tender_sync.storage.page_commit import MappedPage
from tender_sync.storage.rejected import Rejection
from tender_sync.windows import TimeRange
from tests.integration.world import release
from tests.integration.writer import HOUR, PUBLISHED, Writer
from tests.support.databases import opened
from tools.oracle import wrong_buyers


class Sent(CommandListener):
    """Counts commands by what they do to which collection: those of transactions, and those beside them."""

    def __init__(self) -> None:
        self.inside: Counter[str] = Counter()
        self.beside: Counter[str] = Counter()

    def started(self, event: CommandStartedEvent) -> None:
        counted = self.inside if "autocommit" in event.command else self.beside
        counted[f"{event.command_name} {event.command[event.command_name]}"] += 1

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not looked at."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not looked at."""


@pytest.fixture
def sent():
    return Sent()


@pytest.fixture
def listened(world_db, mongod, sent):
    """The database of the worlds, by a client that tells `sent` of its commands.

    A write beside its transaction would wait for it for ever, or make it be tried again for two minutes.
    """
    with opened(mongod.uri, world_db.name, event_listeners=[sent]) as db, pymongo.timeout(10):
        yield db


@pytest.fixture
def writer(listened, sent):
    writer = Writer(listened, FIND_A_TENDER)
    sent.beside.clear()
    return writer


def notice(notice_id: str, buyer_id: str, hour: int = 0, name: str = "Durham County Council") -> dict[str, Any]:
    return release(notice_id, date=PUBLISHED + hour * HOUR, buyer=(buyer_id, name))


def test_page_reads_and_writes_in_its_transaction(writer, world_db, sent):
    window = TimeRange(PUBLISHED, PUBLISHED + HOUR)
    writer.commit(notice("1", "GB-FTS-1"), notice("2", "GB-FTS-2"), suspect="no end")
    writer.commit(notice("3", "GB-PPON-1"), rejections=[Rejection({"id": "4"}, "it is odd")])
    world_db.buyers.update_many({}, {"$set": {"contractCount": "three"}})
    writer.commit(notice("4", "GB-PPON-2"))
    writer.commit(notice("4", "GB-PPON-2", hour=1, name="Darlington Borough Council"))
    writer.store.commit_page(MappedPage(window=window, contracts=[], settled=["gone"]))
    assert sent.inside["aggregate 1"] == 4, "the ids of names, once a page"
    assert not sent.beside
    assert list(wrong_buyers(world_db)) == []


def test_end_of_a_run_is_one_transaction(writer, sent):
    writer.jobs.end_run(Outcome.DONE, counts={"requests": 1})
    assert sent.inside["update syncJobs"] == sent.inside["findAndModify syncRuns"] == 1
    assert not sent.beside


def test_batch_of_a_remap_reads_and_writes_in_its_transaction(writer, listened, world_db, sent):
    writer.commit(notice("1", "GB-FTS-1"), notice("2", "GB-PPON-1"))
    world_db.contracts.update_many({}, {"$set": {"title": "old", "buyerOrg": None}})
    remap = Remap(listened, FIND_A_TENDER, writer.clock, dry_run=False)
    remap.begin()
    sent.beside.clear()
    assert remap.remap_batch().counts["changed"] == 2
    assert sent.inside["aggregate 1"]
    assert not sent.beside


def test_each_correction_of_a_recount_is_a_transaction(writer, listened, world_db, sent):
    """Only the look for what is wrong, and for documents of no month, are none."""
    writer.commit(notice("1", "GB-PPON-1"))
    world_db.buyers.update_many({}, {"$set": {"contractCount": 9}})
    world_db.syncStats.update_many({}, {"$set": {"contracts": 9}})
    sent.beside.clear()
    assert Buyers(listened, writer.clock).recount_buyers() == 1
    assert sent.beside == Counter(["aggregate contracts", "find buyers"])
    sent.beside.clear()
    assert ContractCounts(listened, FIND_A_TENDER).recount() == 1
    assert sent.beside == Counter(["aggregate contracts", "delete syncStats", "find syncStats"])
