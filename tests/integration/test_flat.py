"""What a page, and a run, reads in MongoDB does not grow with what is stored."""

from __future__ import annotations

import uuid
from contextlib import contextmanager

from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.run_outcome import Outcome
from tender_sync.storage.page_commit import MappedPage, Store
from tender_sync.storage.schema import ensure_schema
from tender_sync.storage.sync_jobs import SyncJobs
from tender_sync.windows import TimeRange
from tests.integration.world import NOW, START, release
from tests.support.clocks import SimulatedClock

STORED, PAGE = 3000, 20


def names(source, count):
    """Ids of notices as the source makes them."""
    if source.name == "FIND_A_TENDER":
        return [f"{number:06d}-2026" for number in range(count)]
    return [f"{uuid.UUID(int=number * 7919 << 64)}-{number:06d}" for number in range(count)]


def test_a_page_examines_no_more_keys_where_more_is_stored(source, db):
    ensure_schema(db)
    clock = SimulatedClock(NOW)
    jobs = SyncJobs(db, source, clock, owner="owner")
    position = jobs.get_or_create_sync_job(START).position
    *stored, fresh = (names(source, STORED + PAGE)[first : first + PAGE] for first in range(0, STORED + PAGE, PAGE))
    made = {
        each: map_ocds_to_contract(release(each, date=NOW), source.name) for page in (*stored, fresh) for each in page
    }
    db.contracts.insert_many(
        [made[each] | {"isLatest": True, "supersededBy": None} for page in stored for each in page]
    )
    page = MappedPage(window=TimeRange(START, NOW), contracts=[made[each] for each in fresh], position=position)
    with profiled(db):
        Store(db, source, jobs, clock).commit_page(page)
    examined = keys_examined(db, "contracts|buyers")
    assert examined
    assert max(examined.values()) < 10 * PAGE, examined


def test_a_run_begins_and_ends_without_looking_through_all_before_it(source, db):
    """There are 8,760 more of them every year."""
    ensure_schema(db)
    ended = {"source": source.name, "startedAt": START, "endedAt": NOW, "outcome": "done"}
    db.syncRuns.insert_many([ended | {"_id": str(number)} for number in range(STORED)])
    jobs = SyncJobs(db, source, SimulatedClock(NOW), owner="owner")
    with profiled(db):
        jobs.get_or_create_sync_job(START)
        jobs.mark_sync_complete()
        jobs.end_run(Outcome.DONE)
    examined = keys_examined(db, "syncRuns")
    assert examined
    assert max(examined.values()) < PAGE, examined


@contextmanager
def profiled(db):
    db.command("profile", 2)
    yield
    db.command("profile", 0)


def keys_examined(db, collections):
    """Return how many index keys each command looked at."""
    return {
        (each["ns"].partition(".")[2], each["op"], each.get("planSummary")): each.get("keysExamined", 0)
        for each in db["system.profile"].find({"ns": {"$regex": rf"\.({collections})$"}})
    }
