"""One organisation is one buyer, in MongoDB: whatever order and pages its notices came in, with counts always right."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tender_sync.identity.buyer_keys import name_key, org_id
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES
from tender_sync.storage.buyers import Buyers
from tests.integration.world import forget, release
from tests.integration.writer import PUBLISHED, Writer
from tests.unit.mapping.test_release import FILES, releases_of
from tools.ocds_server import generate
from tools.oracle import wrong_buyers

PPON, OTHER_PPON, SRS, LAE = "GB-PPON-1", "GB-PPON-2", "GB-SRS-a.b/1", "GB-LAE-DUR"
PROPERTY: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
seeds = st.integers(0, 2**32)


def notice(notice_id, buyer_id, name="Durham County Council", hour=0):
    return release(notice_id, date=PUBLISHED + timedelta(hours=hour), buyer=(buyer_id, name))


def owned(db):
    """Give the buyers that have contracts: key to count."""
    return {buyer["orgId"]: buyer["contractCount"] for buyer in db.buyers.find() if buyer["contractCount"]}


def expected(contracts):
    """Tell the same from all contracts at once."""
    published: defaultdict[Any, set[Any]] = defaultdict(set)
    for contract in contracts:
        published[name_key(contract["buyerName"])].add(contract["buyerOrg"])
    owners = Counter(org_id(contract, published[name_key(contract["buyerName"])]) for contract in contracts)
    return {key: n for key, n in owners.items() if key}


@pytest.fixture
def writer(world_db):
    return Writer(world_db, FIND_A_TENDER)


def assert_same_in_any_order(db, versions, seed):
    """Commit versions of contracts, of both sources, in an order and in pages drawn by `seed`."""
    forget(db)
    random = Random(seed)
    writers = {name: Writer(db, source) for name, source in SOURCES.items()}
    shuffled = random.sample(versions, len(versions))
    size = random.randint(1, len(shuffled))
    for start in range(0, len(shuffled), size):
        for name, writer in writers.items():
            page = [each for each in shuffled[start : start + size] if each["source"] == name]
            writer.commit_contracts(page)
            writer.clock.sleep(60)
    newest: dict[Any, Any] = {}
    for each in sorted(versions, key=lambda each: each["publishedDate"]):
        newest[each["source"], each["noticeId"]] = each
    assert owned(db) == expected(newest.values())
    assert list(wrong_buyers(db)) == []


ids = st.sampled_from([PPON, OTHER_PPON, SRS, LAE, "GB-FTS-1", "GB-FTS-2", "GB-CFS-1", "77", ""])
names = st.sampled_from(["Durham County Council", "DURHAM COUNTY COUNCIL", "Durham CC", "The Durham CC", ""])


@st.composite
def versions_of_notices(draw):
    """Draw versions of up to ten notices of both sources: each an hour later than the one drawn before."""
    drawn = draw(st.lists(st.tuples(st.sampled_from(sorted(SOURCES)), st.integers(0, 9), ids, names), min_size=1))
    return [
        map_ocds_to_contract(notice(f"{number}", buyer_id, name, hour), source)
        for hour, (source, number, buyer_id, name) in enumerate(drawn[:24])
    ]


@settings(max_examples=60, **PROPERTY)
@given(versions_of_notices(), seeds)
def test_buyers_come_to_the_same_in_any_order(world_db, versions, seed):
    assert_same_in_any_order(world_db, versions, seed)


@settings(max_examples=4, **PROPERTY)
@given(seeds)
def test_buyers_of_generated_notices_come_to_the_same_in_any_order(world_db, seed):
    made = generate(seed, PUBLISHED, PUBLISHED + timedelta(days=2), 40)
    assert_same_in_any_order(world_db, [map_ocds_to_contract(each.release, each.source) for each in made], seed)


if FILES:  # defined only where real notices are at hand

    @pytest.fixture(scope="module")
    def real():
        found = {}
        for path, source in FILES:
            for each in releases_of(path):
                contract = map_ocds_to_contract(each, source)
                found[source, contract["noticeId"]] = contract
        return list(found.values())

    @settings(max_examples=3, **PROPERTY)
    @given(seed=seeds)
    def test_buyers_of_real_notices_come_to_the_same_in_any_order(world_db, real, seed):
        assert_same_in_any_order(world_db, real, seed)


def test_buyer_known_by_name_becomes_the_one_with_the_id_and_keeps_what_users_added(writer, world_db):
    writer.commit(notice("1", "GB-FTS-1"), notice("2", "GB-FTS-2"))
    assert owned(world_db) == {"durham-county-council": 2}
    mine = {"score": 7, "contacts": [{"name": "Ada"}]}
    world_db.buyers.update_one({}, {"$set": mine})
    before = world_db.buyers.find_one()
    contracts = list(world_db.contracts.find())
    counted = writer.commit(notice("3", PPON))
    assert counted["buyersCreated"] == 0
    after = world_db.buyers.find_one()
    assert world_db.buyers.count_documents({}) == 1
    assert (after["_id"], after["orgId"], after["contractCount"]) == (before["_id"], PPON, 3)
    assert {key: after[key] for key in mine} == mine
    assert list(world_db.contracts.find({"noticeId": {"$in": ["1", "2"]}})) == contracts, "they did not change"


def test_contracts_join_a_buyer_that_is_there_under_another_spelling(writer, world_db):
    writer.commit(notice("1", PPON, "Durham CC"), notice("2", "GB-FTS-1"))
    assert owned(world_db) == {PPON: 1, "durham-county-council": 1}
    world_db.buyers.update_many({}, {"$set": {"score": 7}})
    writer.clock.sleep(60)
    writer.commit(notice("3", PPON))
    assert owned(world_db) == {PPON: 3}
    assert world_db.contracts.find_one({"noticeId": "2"})["updatedAt"] == writer.clock.now(), "its buyer has changed"
    assert world_db.buyers.count_documents({"score": 7}) == 2, "no buyer is ever deleted"


def test_second_id_of_one_register_parts_what_was_one_buyer(writer, world_db):
    writer.commit(notice("1", PPON), notice("2", "GB-FTS-1"), notice("3", LAE))
    assert owned(world_db) == {PPON: 3}
    writer.commit(notice("4", OTHER_PPON))
    assert owned(world_db) == {PPON: 1, OTHER_PPON: 1, LAE: 1, "durham-county-council": 1}
    writer.commit(notice("4", OTHER_PPON, "Darlington Borough Council", hour=1))
    assert owned(world_db) == {PPON: 3, OTHER_PPON: 1}


def test_better_register_takes_the_buyer_over(writer, world_db):
    writer.commit(notice("1", SRS), notice("2", "GB-CFS-1"))
    before = world_db.buyers.find_one()
    writer.commit(notice("3", PPON))
    assert owned(world_db) == {PPON: 3}
    assert world_db.buyers.find_one()["_id"] == before["_id"]


def test_correction_of_the_buyer_does_not_turn_one_organisation_into_another(writer, world_db):
    """The only contract of Durham was Darlington's: Durham's buyer stays Durham's, with what users added to it."""
    writer.commit(notice("1", PPON))
    world_db.buyers.update_one({}, {"$set": {"score": 7}})
    writer.commit(notice("1", OTHER_PPON, "Darlington Borough Council", hour=1))
    assert owned(world_db) == {OTHER_PPON: 1}
    assert world_db.buyers.find_one({"score": 7})["orgId"] == PPON


def test_correction_of_a_contract_from_before_there_was_a_buyer_key_does_not_either(writer, world_db):
    writer.commit(notice("1", PPON))
    world_db.contracts.update_many({}, {"$unset": {"buyerKey": 1}})
    world_db.buyers.update_one({}, {"$set": {"score": 7}})
    writer.commit(notice("1", OTHER_PPON, "Darlington Borough Council", hour=1))
    assert world_db.buyers.find_one({"score": 7})["orgId"] == PPON


def test_buyer_of_a_nameless_contract_stays_its_own(writer, world_db):
    writer.commit(notice("1", PPON), notice("2", PPON, ""))
    writer.commit(notice("1", OTHER_PPON, hour=1))
    assert owned(world_db) == {PPON: 1, OTHER_PPON: 1}


def test_buyer_whose_contracts_part_goes_with_none_of_them(writer, world_db):
    """Its own id is gone at the same time as the others turn out to be of two organisations."""
    writer.commit(notice("1", PPON), notice("2", LAE), notice("3", "GB-FTS-1"))
    world_db.buyers.update_one({}, {"$set": {"score": 7}})
    writer.commit(notice("1", PPON, "Durham CC", hour=1), notice("4", "GB-LAE-2"))
    assert owned(world_db) == {PPON: 1, LAE: 1, "GB-LAE-2": 1, "durham-county-council": 1}
    writer.commit(notice("1", "GB-COH-1", "Durham Homes", hour=2))
    assert world_db.buyers.find_one({"score": 7})["orgId"] == PPON


def test_buyer_of_two_organisations_that_part_on_one_page_goes_with_neither(writer, world_db):
    writer.commit(notice("1", "GB-FTS-1"), notice("2", "GB-FTS-2"))
    world_db.buyers.update_one({}, {"$set": {"score": 7}})
    writer.commit(notice("1", PPON, hour=1), notice("2", OTHER_PPON, hour=1))
    assert owned(world_db) == {PPON: 1, OTHER_PPON: 1}
    assert world_db.buyers.find_one({"score": 7})["orgId"] == "durham-county-council"


def test_contract_that_loses_its_id_leaves_the_buyer_to_the_others_under_that_id(writer, world_db):
    """Nothing changes in the name's ids, so the contracts that stay are not looked at."""
    writer.commit(notice("1", PPON), notice("2", PPON), notice("3", OTHER_PPON))
    writer.commit(notice("1", "GB-FTS-1", hour=1))
    assert owned(world_db) == {PPON: 1, OTHER_PPON: 1, "durham-county-council": 1}


def test_buyer_under_an_id_of_one_registration_is_adopted(writer, world_db):
    """As databases have it that were filled before names counted."""
    writer.commit(notice("1", "GB-FTS-7833"), notice("2", "GB-FTS-7833"))
    world_db.buyers.update_one({}, {"$set": {"orgId": "GB-FTS-7833", "score": 7}})
    world_db.contracts.update_many({}, {"$unset": {"buyerKey": 1}})
    writer.commit(notice("1", "GB-FTS-7833", hour=1))
    buyer = world_db.buyers.find_one()
    assert (buyer["orgId"], buyer["score"], buyer["contractCount"]) == ("durham-county-council", 7, 2)


def test_sources_that_bring_an_organisation_at_once_make_one_buyer_of_it(world_db, monkeypatch):
    """One knows it by its id, one by its name: neither may look while the other has not committed."""
    one, other = Writer(world_db, FIND_A_TENDER), Writer(world_db, CONTRACTS_FINDER)
    one.commit(notice("0", "GB-CFS-9", "Somebody else"))
    assign_buyers, refused = Buyers.assign_buyers, []

    def in_between(self: Any, *args: Any) -> Any:
        found = assign_buyers(self, *args)
        if not refused:
            refused.append(page_of_the_other())
        return found

    def page_of_the_other() -> str:
        with world_db.client.start_session() as session:
            session.start_transaction()
            contract = map_ocds_to_contract(notice("2", "GB-CFS-1"), CONTRACTS_FINDER.name)
            try:
                other.store.contracts.upsert_contracts([contract], session)
            except OperationFailure as error:
                return str(error)
        raise AssertionError("both looked at once")

    monkeypatch.setattr(Buyers, "assign_buyers", in_between)
    one.commit(notice("1", PPON))
    assert len(refused) == 1
    other.commit(notice("2", "GB-CFS-1"))
    assert owned(world_db) == {PPON: 2, "somebody-else": 1}


def test_ids_of_a_name_are_found_in_the_index_alone(writer, world_db, monkeypatch):
    writer.commit(*[notice(str(number), f"GB-FTS-{number % 3}") for number in range(60)])
    asked = []
    aggregate = Database.aggregate

    def remembered(self: Any, pipeline: Any, **options: Any) -> Any:
        asked.append(pipeline)
        return aggregate(self, pipeline, **options)

    monkeypatch.setattr(Database, "aggregate", remembered)
    writer.commit(notice("99", "GB-FTS-1"))
    assert [*asked[0][-1]] == ["$unwind"]
    # Without the last stage: MongoDB joins the two, and does not count what the last name's search has examined.
    command = {"aggregate": 1, "pipeline": asked[0][:-1], "cursor": {}}
    explained = world_db.command("explain", command, verbosity="executionStats")
    lookup = explained["stages"][-1]
    assert lookup["totalDocsExamined"] == 0
    assert 3 <= lookup["totalKeysExamined"] <= 4, "one for each id, however many contracts"
