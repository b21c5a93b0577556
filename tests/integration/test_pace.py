"""The pace of requests by a real MongoDB's clock: slots are reserved, and nothing waits for them."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pymongo import MongoClient

from tender_sync.api.request_schedule import LONGEST_HOLD_OFF
from tender_sync.storage.request_slots import RequestSlots


class Waits:
    """A RunBudget that records the waits asked of it, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.renewed = 0

    def renew(self) -> None:
        self.renewed += 1

    def wait(self, seconds: float, why: str) -> None:
        assert why == "the next request to API"
        self.seconds.append(seconds)


@pytest.fixture
def turns(db):
    def take(count: int, *, interval: float = 100.0, burst: int = 1, hold_off: float = 0.0) -> list[float]:
        """Reserve `count` starts, each by another task; return when they are, in seconds from now, 0 for at once."""
        starts = []
        if hold_off:
            RequestSlots(db, "API", interval, Waits(), burst=burst).hold_off(hold_off)
        for _ in range(count):
            budget = Waits()
            RequestSlots(db, "API", interval, budget, burst=burst).wait_for_slot()
            starts.append(sum(budget.seconds))
        return starts

    return take


def test_requests_start_an_interval_apart_whoever_asks(turns):
    starts = turns(4)
    assert starts[0] == 0
    assert [later - earlier for earlier, later in pairwise(starts)] == pytest.approx([100, 100, 100], abs=2)


def test_a_pause_is_made_up_for_within_the_rolling_limit(turns):
    """No more than three in any 300 seconds; the fourth waits until the first is 300 seconds ago."""
    assert turns(8, burst=3) == pytest.approx([0, 0, 0, 300, 300, 300, 600, 600], abs=2)


def test_nobody_asks_while_the_api_wants_to_be_left_alone(turns):
    assert turns(4, burst=3, hold_off=1000) == pytest.approx([1000, 1000, 1000, 1300], abs=2)


def test_a_shorter_hold_off_does_not_end_a_longer_one(turns):
    turns(0, hold_off=1000)
    assert turns(1, hold_off=10) == pytest.approx([1000], abs=2)


def test_holding_off_renews_the_lease(db):
    budget = Waits()
    RequestSlots(db, "API", 100.0, budget).hold_off(1)
    assert budget.renewed == 1


def test_the_document_does_not_grow(turns, db):
    turns(30, burst=12)
    assert len(db.syncPace.find_one()["starts"]) == 12


def test_each_api_has_its_own_pace(turns, db):
    turns(1)
    other = Waits()
    RequestSlots(db, "ANOTHER", 100.0, other).wait_for_slot()
    assert other.seconds == []


def reserve_twelve(uri, database, barrier):
    with MongoClient(uri, tz_aware=True) as client:
        slots = RequestSlots(client[database], "API", 10.05, Waits(), burst=12)
        barrier.wait(60)
        for _ in range(12):
            slots.wait_for_slot()


def test_processes_together_keep_to_twelve_in_any_two_minutes(mongod, db):
    """36 reservations of three processes are three bursts, 120.6 s apart: none is lost, none is made twice."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(3)
    processes = [spawn.Process(target=reserve_twelve, args=(mongod.uri, db.name, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    starts = db.syncPace.find_one()["starts"]
    began = starts[0] - timedelta(seconds=2 * 120.6)
    assert (datetime.now(UTC) - began).total_seconds() < 60, "the first burst was at once"
    assert len(starts) == 12
    assert [(start - began).total_seconds() for start in starts] == pytest.approx([2 * 120.6] * 12, abs=10)


def set_the_clock_back(db, hours):
    """Move what is reserved as far ahead as if MongoDB's clock had been set back."""
    later = {"$add": ["$$this", hours * 3_600_000]}
    moved = {"starts": {"$map": {"input": "$starts", "in": later}}}
    db.syncPace.update_one({}, [{"$set": moved | {"heldUntil": {"$add": ["$heldUntil", hours * 3_600_000]}}}])


def test_starts_of_a_clock_that_was_hours_ahead_count_as_made_just_now(turns, db):
    turns(12, burst=3)
    set_the_clock_back(db, 5)
    assert turns(4, burst=3) == pytest.approx([300, 300, 300, 600], abs=2)


def test_hold_off_by_a_clock_that_was_hours_ahead_is_over_and_hides_no_other(turns, db):
    turns(1, hold_off=1000)
    set_the_clock_back(db, 5)
    assert turns(1) == pytest.approx([100], abs=2)
    set_the_clock_back(db, 5)
    assert turns(1, hold_off=700) == pytest.approx([700], abs=2)


def test_longest_hold_off_with_many_waiting_is_believed(turns):
    starts = turns(11, hold_off=LONGEST_HOLD_OFF)
    assert starts == pytest.approx([3600 + 100 * waiting for waiting in range(11)], abs=2)
