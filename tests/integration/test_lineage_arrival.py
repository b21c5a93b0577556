"""Lineage in MongoDB is the same whatever order and pages the notices came in, and no other contract is written."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tender_sync.identity.lineage import Standing, lineage
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES
from tests import histories
from tests.integration.world import forget
from tests.integration.writer import Writer
from tests.unit.identity.test_lineage import CF_KINDS
from tests.unit.identity.test_lineage import histories as drawn_histories
from tests.unit.mapping.test_release import FILES, releases_of
from tools.ocds_server import generate

# The fields of the pipeline's first version.
FIRST_VERSION = (
    *("ocid", "noticeId", "source", "sourceUrl", "title", "description", "status", "stage", "buyerName", "buyerOrg"),
    *("buyerRegion", "cpvCodes", "sector", "valueMin", "valueMax", "currency", "publishedDate", "deadlineDate"),
    "rawData",
)
LIVE = {"isLatest": True, "status": "OPEN"}


def commit(writer: Writer, *contracts: Any) -> None:
    writer.commit_contracts(list(contracts))
    writer.clock.sleep(60)


def standing(db):
    found = list(db.contracts.find())
    assert all(each["isLatest"] == (each["supersededBy"] is None) for each in found)
    return {each["noticeId"]: each["supersededBy"] for each in found}


def standings(db):
    fields = dict.fromkeys(Standing.__annotations__, 1)
    return {each.pop("noticeId"): each for each in db.contracts.find({}, {"_id": 0, "noticeId": 1, **fields})}


def related(contracts):
    """Leave out notices without relatives: their order makes no difference."""
    by_ocid: dict[str | None, list[Any]] = {}
    for contract in contracts:
        by_ocid.setdefault(contract["ocid"], []).append(contract)
    return [each for family in by_ocid.values() if len(family) > 1 for each in family]


def assert_same_in_any_order(db, source, contracts, seed):
    """Commit `contracts` in an order and in pages of a size drawn by `seed`, some of them several times."""
    forget(db)
    expected, random, writer = lineage(contracts), Random(seed), Writer(db, source)
    shuffled = random.sample(contracts, len(contracts))
    size = random.randint(1, max(len(shuffled), 1))
    for start in range(0, len(shuffled), size):
        commit(writer, *shuffled[start : start + size], *random.sample(contracts, min(2, len(contracts))))
    assert standings(db) == expected


PROPERTY: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@settings(max_examples=6, **PROPERTY)
@given(seed=seeds)
def test_generated_notices_have_one_lineage_in_any_order(world_db, source, seed):
    start = histories.DAY_ONE
    made = generate(seed, start, start + timedelta(days=4), 25, sources=[source.name])
    contracts = {c["noticeId"]: c for c in (map_ocds_to_contract(each.release, source.name) for each in made)}
    assert_same_in_any_order(world_db, source, related(contracts.values())[:40], seed)


@settings(max_examples=30, **PROPERTY)
@given(drawn_histories() | drawn_histories(CF_KINDS), seeds)
def test_drawn_histories_have_one_lineage_in_any_order(world_db, contracts, seed):
    assert_same_in_any_order(world_db, SOURCES[contracts[0]["source"]], contracts, seed)


if FILES:  # defined only where real notices are available

    @pytest.fixture(scope="module")
    def real():
        """The real notices that have relatives, by source."""
        found: dict[str, dict[str, Any]] = {name: {} for name in SOURCES}
        for path, name in FILES:
            for release in releases_of(path):
                contract = map_ocds_to_contract(release, name)
                found[name][contract["noticeId"]] = contract
        return {name: related(contracts.values()) for name, contracts in found.items()}

    @pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
    @settings(max_examples=6, **PROPERTY)
    @given(seed=seeds)
    def test_real_notices_have_one_lineage_in_any_order(world_db, source, seed, real):
        assert_same_in_any_order(world_db, source, real[source.name], seed)


@pytest.fixture
def writer(world_db):
    return Writer(world_db, FIND_A_TENDER)


def test_superseded_contract_has_changed_and_its_relatives_have_not(writer, world_db):
    commit(writer, histories.contract("a", "UK4", 0), histories.contract("b", "UK4 update", 1))
    before = {each["noticeId"]: each for each in world_db.contracts.find()}
    commit(writer, histories.contract("c", "UK6", 2))
    after = {each["noticeId"]: each for each in world_db.contracts.find()}
    assert after["a"] == before["a"]
    changed = {key for key in after["b"] if after["b"][key] != before["b"].get(key)}
    assert changed == {"isLatest", "supersededBy", "updatedAt"}
    assert (after["b"]["supersededBy"], after["b"]["updatedAt"]) == ("c", after["c"]["updatedAt"])


def test_corrigendum_moves_the_deadline_of_the_tender_that_is_shown_and_of_no_other(writer, world_db):
    commit(writer, histories.contract("a", "old tender", 0, deadline=30))
    commit(writer, histories.contract("b", "corrigendum", 1, deadline=50))
    shown = world_db.contracts.find_one({"isLatest": True})
    assert (shown["noticeId"], shown["deadlineDate"] - shown["statedDeadlineDate"]) == ("a", timedelta(days=20))
    assert shown["updatedAt"] == world_db.contracts.find_one({"noticeId": "b"})["updatedAt"]
    commit(writer, histories.contract("b", "corrigendum", 2))  # the corrigendum is corrected, and moves nothing
    shown = world_db.contracts.find_one({"isLatest": True})
    assert shown["deadlineDate"] == shown["statedDeadlineDate"] == histories.DAY_ONE + timedelta(days=30)


def test_replay_changes_nothing(writer, world_db):
    kinds = {"UK4": {}, "UK4 update": {}, "UK6": {}, "old tender": {"deadline": 30}, "corrigendum": {"deadline": 50}}
    notices = [histories.contract(str(day), kind, day, **more) for day, (kind, more) in enumerate(kinds.items())]
    commit(writer, *notices)
    before = list(world_db.contracts.find())
    commit(writer, *reversed(notices))
    assert list(world_db.contracts.find()) == before


def test_superseded_contract_that_changes_stays_superseded(writer, world_db):
    """The mapped fields are replaced; the fields of lineage must not be."""
    commit(writer, histories.contract("a", "UK4", 0), histories.contract("b", "UK6", 1))
    commit(writer, histories.contract("a", "UK4", 0.5, title="corrected"))
    assert standing(world_db) == {"a": "b", "b": None}


def test_notice_that_moves_to_another_procurement_or_buyer_no_longer_supersedes(writer, world_db):
    commit(writer, histories.contract("a", "UK4", 0), histories.contract("b", "UK6", 1))
    commit(writer, histories.contract("b", "UK6", 2, ocid="ocds-h6vhtk-another"))
    assert standing(world_db) == {"a": None, "b": None}
    commit(writer, histories.contract("b", "UK6", 3))
    assert standing(world_db) == {"a": "b", "b": None}
    commit(writer, histories.contract("b", "UK6", 4, buyer=histories.OTHER))
    assert standing(world_db) == {"a": None, "b": None}


def test_family_is_found_through_relatives_of_relatives(world_db):
    """The tender's later version has another ocid, so the award's ocid alone does not find it."""
    tender, award = "8f124d5d-fa11-457c-a0ed-431674a867c1", "beb37fb4-925c-47ea-8f8a-ce406ef559c8"
    writer = Writer(world_db, CONTRACTS_FINDER)
    commit(writer, histories.contract(f"{tender}-1", "CF tender", 0))
    commit(writer, histories.contract(f"{tender}-2", "CF amendment", 1, ocid="ocds-b5fd17-another"))
    commit(writer, histories.contract(f"{award}-3", "CF award", 2))
    assert standing(world_db) == {f"{tender}-1": f"{tender}-2", f"{tender}-2": None, f"{award}-3": None}


def test_contract_stored_before_there_was_a_lineage_gets_one_with_its_family(writer, world_db):
    commit(writer, histories.contract("a", "UK4", 0))
    world_db.contracts.update_many({}, {"$unset": {"isLatest": 1, "supersededBy": 1}})
    commit(writer, histories.contract("b", "UK4 update", 1))
    assert standing(world_db) == {"a": "b", "b": None}


@pytest.mark.parametrize("kept", [FIRST_VERSION, ("source", "noticeId", "ocid")])
@pytest.mark.parametrize("kinds", [("UK4", "UK4 update"), ("UK4", "UK4"), ("UK6", "UK7")])
def test_contract_of_the_first_version_may_lack_fields(writer, world_db, kept, kinds):
    first, second = (
        histories.contract(name, kind, day) for day, (name, kind) in enumerate(zip("ab", kinds, strict=True))
    )
    world_db.contracts.insert_one({name: first[name] for name in kept})
    commit(writer, second)
    assert standing(world_db).keys() == {"a", "b"}
    commit(writer, first, second)
    assert standings(world_db) == lineage([first, second])


def test_live_list_and_the_search_for_a_family_use_indexes(writer, world_db):
    for day in range(60):
        commit(writer, histories.contract(f"{day:06d}-2026", "UK4", day, ocid=f"ocds-h6vhtk-{day % 20}"))
    assert world_db.contracts.count_documents(LIVE) == 20
    live = world_db.contracts.find({**LIVE, "deadlineDate": {"$gte": writer.clock.now()}}).sort("deadlineDate", 1)
    plan = live.explain()["queryPlanner"]["winningPlan"]
    assert stages(plan) == ["FETCH", "IXSCAN"], plan
    family = {"source": "FIND_A_TENDER", "$or": [{"ocid": {"$in": ["ocds-h6vhtk-3"]}}, {"noticeId": {"$in": []}}]}
    explained = world_db.contracts.find(family).explain()
    assert "COLLSCAN" not in stages(explained["queryPlanner"]["winningPlan"])
    assert explained["executionStats"]["totalDocsExamined"] == 3


def stages(plan):
    below = [plan["inputStage"]] if "inputStage" in plan else plan.get("inputStages", [])
    return [plan["stage"], *(stage for each in below for stage in stages(each))]
