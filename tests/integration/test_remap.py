"""Stored contracts mapped again: written only where they differ, beside syncs, continued after any end."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from tender_sync.errors import SkipRun
from tender_sync.mapping import contract as contract_mapping
from tender_sync.pipeline import remap
from tender_sync.pipeline.remap import Remap, remap_contracts
from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES
from tender_sync.storage import remap_progress
from tender_sync.storage.contract_counts import ContractCounts
from tender_sync.storage.remap_progress import RemapProgress
from tests import histories
from tests.integration.oracle import problems
from tests.integration.world import dump, release
from tests.integration.writer import HOUR, PUBLISHED, Writer
from tools.oracle import superseded_wrongly, wrong_buyers


@pytest.fixture
def writer(world_db):
    return Writer(world_db, FIND_A_TENDER)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(remap, "BATCH", 2)


def run(db, clock, *, dry_run=False, stop_requested=lambda: False, source=FIND_A_TENDER):
    done: dict[str, Any] = remap_contracts(
        db, [source], clock, dry_run=dry_run, time_budget=timedelta(hours=1), stop_requested=stop_requested
    )[source.name]
    return done


def fill(writer, many=5):
    writer.commit(*[release(f"{number}", date=PUBLISHED) for number in range(many)])
    writer.clock.sleep(60)


def spoil(db, notice_id, **fields):
    """Change a contract as if another mapper had made it."""
    db.contracts.update_one({"noticeId": notice_id}, {"$set": {"mapperVersion": 0, **fields}})


def test_only_contracts_that_differ_are_written(writer, world_db):
    fill(writer)
    spoil(world_db, "1", status="CANCELLED", cpvCodes=["09000000"])
    spoil(world_db, "2")
    before = {each["noticeId"]: each for each in world_db.contracts.find()}
    world_db.contracts.update_one({"noticeId": "1"}, {"$set": {"score": 7}})
    done = run(world_db, writer.clock)
    after = {each["noticeId"]: each for each in world_db.contracts.find()}
    assert (done["outcome"], done["read"], done["changed"], done["fields"]) == (
        "done",
        5,
        1,
        {"status": 1, "cpvCodes": 1},
    )
    assert (after["1"]["status"], after["1"]["cpvCodes"], after["1"]["score"]) == ("OPEN", [], 7)
    assert after["1"]["updatedAt"] == writer.clock.now()
    assert after["2"] == before["2"] | {"mapperVersion": contract_mapping.MAPPER_VERSION}, "it has not changed"
    assert {key: after[key] for key in "034"} == {key: before[key] for key in "034"}
    assert run(world_db, writer.clock)["changed"] == 0


def test_counts_move_with_contracts_that_change(writer, world_db):
    fill(writer)
    spoil(world_db, "1", stage="AWARD", sector="Construction")
    stats = ContractCounts(world_db, FIND_A_TENDER)
    assert stats.recount() == 1
    run(world_db, writer.clock)
    assert stats.recount() == 0


def test_dry_run_reports_the_same_and_writes_nothing(writer, world_db, caplog):
    fill(writer)
    spoil(world_db, "1", status="CANCELLED", buyerOrg=None)
    before = dump(world_db)
    with caplog.at_level(logging.INFO):
        dry = run(world_db, writer.clock, dry_run=True)
    assert dump(world_db) == before
    assert any(
        "would change 1: buyerOrg None → 'GB-PPON-1111'; status 'CANCELLED' → 'OPEN'" in m for m in caplog.messages
    )
    done = run(world_db, writer.clock)
    assert {name: done[name] for name in ("read", "changed", "fields")} == {
        name: dry[name] for name in ("read", "changed", "fields")
    }


def test_release_with_a_number_past_32_bits_is_read_back_and_mapped(writer, world_db):
    """PyMongo returns such a number as its own subclass of int."""
    tender = {
        "id": "1",
        "title": "Hospitals",
        "status": "active",
        "value": {"amount": 3_000_000_000, "currency": "GBP"},
    }
    writer.commit(release("1", date=PUBLISHED, tender=tender))
    spoil(world_db, "1", title="old")
    assert run(world_db, writer.clock)["changed"] == 1


def test_next_run_continues_one_that_ended_early(writer, world_db):
    fill(writer)
    for number in range(5):
        spoil(world_db, f"{number}", title="old")
    looks = iter([False, False, True])
    first = run(world_db, writer.clock, stop_requested=lambda: next(looks))
    assert (first["outcome"], first["read"]) == ("told to stop", 4)
    assert world_db.contracts.count_documents({"title": "old"}) == 1
    assert run(world_db, writer.clock)["read"] == 1
    kept = world_db.syncRemaps.find_one()
    assert (kept["read"], kept["changed"], kept["mapperVersion"]) == (5, 5, contract_mapping.MAPPER_VERSION)
    assert kept["completedAt"] == writer.clock.now()


def test_next_run_continues_with_the_source_that_was_left_unfinished(writer, world_db):
    for each in (writer, Writer(world_db, CONTRACTS_FINDER)):
        fill(each)
    both = [FIND_A_TENDER, CONTRACTS_FINDER]

    def remapped(*looks: bool) -> dict[str, int]:
        stops = iter(looks)
        done = remap_contracts(
            world_db,
            both,
            writer.clock,
            dry_run=False,
            time_budget=timedelta(hours=1),
            stop_requested=lambda: next(stops, bool(looks)),
        )
        return {name: source["read"] for name, source in done.items()}

    assert remapped(False, True) == {"FIND_A_TENDER": 2, "CONTRACTS_FINDER": 0}
    assert remapped(*[False] * 4, True) == {"FIND_A_TENDER": 3, "CONTRACTS_FINDER": 2}
    assert remapped() == {"CONTRACTS_FINDER": 3}
    assert remapped() == {"FIND_A_TENDER": 5, "CONTRACTS_FINDER": 5}, "the next one begins again"


def test_newer_mapper_begins_again(writer, world_db, monkeypatch):
    fill(writer)
    looks = iter([False, True])
    run(world_db, writer.clock, stop_requested=lambda: next(looks))
    monkeypatch.setattr(remap_progress, "MAPPER_VERSION", contract_mapping.MAPPER_VERSION + 1)
    assert run(world_db, writer.clock)["read"] == 5


def test_batch_that_fails_leaves_everything_as_it_was(writer, world_db, monkeypatch):
    fill(writer)
    spoil(world_db, "0", title="old")
    looks = iter([True])
    run(world_db, writer.clock, stop_requested=lambda: next(looks))
    before = dump(world_db)

    def fail(*_: Any) -> None:
        raise ConnectionAbortedError

    with monkeypatch.context() as patched:
        patched.setattr(RemapProgress, "_advance", fail)
        with pytest.raises(ConnectionAbortedError):
            run(world_db, writer.clock)
    assert dump(world_db) == before


def test_two_runs_at_once_do_not_do_each_others_batches(writer, world_db):
    fill(writer)
    one = Remap(world_db, FIND_A_TENDER, writer.clock, dry_run=False)
    one.begin()
    looks = iter([False, True])
    assert run(world_db, writer.clock, stop_requested=lambda: next(looks))["read"] == 2
    with pytest.raises(SkipRun, match="another run is remapping the contracts of Find a Tender"):
        one.remap_batch()


def test_what_syncs_write_meanwhile_is_kept(writer, world_db, monkeypatch):
    """A page commits a newer version in the middle of the batch that has read the older one."""
    fill(writer)
    spoil(world_db, "1", title="old")
    remapped, meanwhile = Remap._remapped, []

    def page_in_between(self: Any, document: Any) -> Any:
        if document["noticeId"] == "1" and not meanwhile:
            meanwhile.append(writer.commit(release("1", date=PUBLISHED + HOUR, title="newer")))
        return remapped(self, document)

    monkeypatch.setattr(Remap, "_remapped", page_in_between)
    run(world_db, writer.clock)
    assert len(meanwhile) == 1
    assert world_db.contracts.find_one({"noticeId": "1"})["title"] == "newer"


def test_contract_that_cannot_be_mapped_any_more_is_left_and_logged(writer, world_db, caplog):
    fill(writer, many=2)
    world_db.contracts.update_one({"noticeId": "0"}, {"$set": {"rawData": {"title": "no id"}}})
    world_db.contracts.update_one({"noticeId": "1"}, {"$set": {"rawData.id": "another"}})
    before = list(world_db.contracts.find())
    done = run(world_db, writer.clock)
    assert (done["read"], done["unmappable"], done["changed"]) == (2, 2, 0)
    assert list(world_db.contracts.find()) == before
    assert any(message.startswith("0 is left as it is") for message in caplog.messages)
    assert any("its notice id is 'another' now" in message for message in caplog.messages)


def test_procurements_of_one_notice_stay_separate_contracts(writer, world_db):
    writer.commit(*[release("1", date=PUBLISHED, title=title) | {"ocid": title} for title in ("Salt", "Grit")])
    spoil(world_db, "1 Grit", sector="another")
    done = run(world_db, writer.clock)
    assert (done["read"], done["changed"], done["unmappable"]) == (2, 1, 0)
    assert {each["noticeId"]: each["mapperVersion"] for each in world_db.contracts.find()}.keys() == {"1", "1 Grit"}


def test_contract_too_large_with_what_others_added_is_left_and_costs_no_other(writer, world_db, caplog):
    tender = {"id": "1", "title": "Road salt", "status": "active", "description": "x" * 5_000_000}
    writer.commit(*[release(notice_id, date=PUBLISHED, tender=tender) for notice_id in "012"])
    for notice_id in "012":
        spoil(world_db, notice_id, title="another", description="")
    spoil(world_db, "1", enrichment="x" * 9_000_000)
    with caplog.at_level(logging.WARNING, logger="tender_sync"):
        done = run(world_db, writer.clock)
    assert (done["outcome"], done["read"], done["changed"], done["unmappable"]) == ("done", 3, 2, 1)
    assert "1 is left as it is: it is too large for MongoDB" in caplog.text
    titles = [each["title"] for each in world_db.contracts.find().sort("noticeId", 1)]
    assert titles == ["Road salt", "another", "Road salt"]
    assert world_db.syncRemaps.find_one()["read"] == 3


def test_database_of_published_ids_gets_one_buyer_for_each_organisation(writer, world_db):
    """A database from before the rules of names and lineage: a buyer for each published id, no lineage."""
    council, housing = ("GB-PPON-1", "Durham County Council"), ("GB-FTS-3", "Derwentside Homes")
    registrations = [(f"GB-FTS-{n}", council[1]) for n in (7, 8)]
    for number, buyer in enumerate([*registrations, council, housing, housing]):
        kind = "UK4 update" if number == 4 else "UK4"
        ocid = "ocds-h6vhtk-1" if buyer is housing else f"ocds-{number}"
        writer.commit(histories.release(f"{number}", kind, number, buyer=buyer, ocid=ocid))
    new_fields = dict.fromkeys(("buyerKey", "isLatest", "supersededBy"), 1)
    world_db.buyers.delete_many({})
    for key, name in (*registrations, council, housing):
        buyer_id = world_db.buyers.insert_one({"orgId": key, "name": name, "contractCount": 0, "note": key}).inserted_id
        world_db.contracts.update_many({"buyerOrg": key}, {"$set": {"buyerId": buyer_id}, "$unset": new_fields})
        count = world_db.contracts.count_documents({"buyerOrg": key})
        world_db.buyers.update_one({"orgId": key}, {"$set": {"contractCount": count}})
    run(world_db, writer.clock)
    assert [*wrong_buyers(world_db), *superseded_wrongly(world_db, FIND_A_TENDER.name)] == []
    counted = {each["orgId"]: each["contractCount"] for each in world_db.buyers.find({"contractCount": {"$gt": 0}})}
    assert counted == {"GB-PPON-1": 3, "derwentside-homes": 2}
    notes = {each["note"] for each in world_db.buyers.find()}
    assert notes == {"GB-FTS-7", "GB-FTS-8", "GB-PPON-1", "GB-FTS-3"}, "what users added is lost"
    assert world_db.buyers.find_one({"orgId": "derwentside-homes"})["note"] == "GB-FTS-3", "and stays with its buyer"
    assert world_db.contracts.find_one({"noticeId": "3"})["supersededBy"] == "4"


def test_world_is_as_it_was_synced(world):
    world.run()
    contracts = list(world.db.contracts.find({}, {"updatedAt": 0}))
    world.db.contracts.update_many({}, {"$set": {"title": "old", "cpvCodes": [], "mapperVersion": 0}})
    done = run(world.db, world.clock, source=SOURCES[world.source.name])
    assert done["changed"] == done["read"] == len(contracts)
    assert list(world.db.contracts.find({}, {"updatedAt": 0})) == contracts
    assert problems(world) == []
