"""The sync job: its lease, its modes, and what an interrupted or older run left in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import bson
import pytest

from tender_sync.errors import FailRun, FixSetup, SkipRun
from tender_sync.run_outcome import Outcome
from tender_sync.storage.buyers import Buyers
from tender_sync.storage.lease import LEASE
from tender_sync.storage.sync_jobs import claim_transition
from tests.integration.oracle import problems
from tests.integration.world import START, dump, forget


def hold(world, owner="dag/other/sync", **lease):
    """Take the lease as another run would, and keep it."""
    jobs, store = world.holder(owner, "other-run")
    job = jobs.get_or_create_sync_job(world.start)
    if lease:
        world.db.syncJobs.update_one({}, {"$set": {f"lease.{name}": value for name, value in lease.items()}})
    return jobs, store, job


def test_live_lease_of_another_run_is_left_alone(world):
    hold(world)
    before = dump(world.db)
    expires = world.job["lease"]["expiresAt"]
    with pytest.raises(SkipRun) as skipped:
        world.run()
    assert "dag/other/sync" in str(skipped.value)
    assert f"{expires:%Y-%m-%d %H:%M:%S}" in str(skipped.value)
    assert dump(world.db) == before
    assert not world.server.requests


def test_lease_lasts_minutes_by_mongodbs_own_clock(world):
    """The world's clock is months from MongoDB's: leases must not be reckoned by it."""
    hold(world)
    lease = world.job["lease"]
    assert lease["expiresAt"] - lease["takenAt"] == LEASE
    assert timedelta() < lease["expiresAt"] - mongodbs_time(world) <= LEASE


def test_expired_lease_is_taken(world):
    hold(world, expiresAt=datetime(2026, 1, 1, tzinfo=UTC))
    assert world.run().done
    # The other run never ended its record.
    assert world.db.syncRuns.find_one({"runId": "other-run"})["outcome"] == "died"
    assert problems(world) == []


def mongodbs_time(world):
    (now,) = world.db.client.admin.aggregate([{"$documents": [{}]}, {"$project": {"now": "$$NOW"}}])
    return now["now"]


def test_lease_of_a_clock_that_was_hours_ahead_is_taken(world):
    """MongoDB's, when the lease was taken; it has been set right since, and the holder is gone."""
    hold(world, expiresAt=mongodbs_time(world) + timedelta(hours=5))
    assert world.run().done
    assert problems(world) == []


def test_lease_of_a_clock_that_is_minutes_ahead_is_left_alone(world):
    """That of a primary before the last election, whose holder is at work."""
    hold(world, expiresAt=mongodbs_time(world) + LEASE + timedelta(minutes=2))
    with pytest.raises(SkipRun, match="dag/other/sync"):
        world.run()


def test_same_task_takes_its_own_lease_over_at_once(world):
    hold(world, "dag/run/sync")
    assert world.run(owner="dag/run/sync").done
    assert problems(world) == []


@pytest.mark.parametrize("by", ["the same task", "another task once it expired"])
def test_zombie_writes_nothing_more(world, by):
    """While a run fetches its second page, its lease is taken over and the work is done by the other."""
    fetched, owner = [], "dag/run/sync" if by == "the same task" else "dag/other/sync"

    def overtaken() -> None:
        fetched.append(1)
        if len(fetched) == 2:
            world.db.syncJobs.update_one({}, {"$set": {"lease.expiresAt": datetime(2026, 1, 1, tzinfo=UTC)}})
            world.run(owner=owner, max_items=10)
            holding.append(hold(world, owner))
            holding.append(dump(world.db))

    holding = []
    with pytest.raises(SkipRun, match="taken over"):
        world.run(on_fetch=overtaken)
    assert dump(world.db) == holding[1]
    assert len(fetched) == 2
    holding[0][0].end_run(Outcome.DONE)
    assert world.run().done
    assert [line for line in problems(world) if "never ended" not in line] == []


def test_every_way_to_write_needs_the_lease(world):
    jobs, _, job = hold(world, "dag/run/sync")
    hold(world, "dag/run/sync")
    before = dump(world.db)
    for write in (
        jobs.renew,
        jobs.mark_sync_complete,
        lambda: jobs.mark_sync_error("x", position=job.position, stuck=True),
        lambda: jobs.reset(world.start),
    ):
        with pytest.raises(SkipRun, match="dag/run/sync"):
            write()
    assert dump(world.db) == before


def test_end_of_a_zombie_does_not_give_the_others_lease_back(world):
    zombie, _, job = hold(world, "dag/run/sync")
    hold(world, "dag/run/sync")
    before = world.job
    record = zombie.end_run(Outcome.DONE, position=replace(job.position, cursor="gone"), counts={"requests": 1})
    assert world.job == before
    assert "requests" not in record, "job and record get them together or not at all"


def test_every_page_renews_the_lease(world):
    """An expiry set back before a page is in the future again after it."""
    fetched, long_ago = [], datetime(2026, 1, 1, tzinfo=UTC)

    def set_back() -> None:
        fetched.append(world.job["lease"]["expiresAt"] > long_ago)
        world.db.syncJobs.update_one({}, {"$set": {"lease.expiresAt": long_ago}})

    world.run(on_fetch=set_back)
    assert len(fetched) > 3
    assert all(fetched)


def test_long_wait_renews_the_lease(world):
    """Contracts Finder's five minutes, or a Retry-After, are as long as a lease."""
    renewed = []
    world.server.faults.add("http_429", times=1, retry_after=120)
    original = world.clock.sleep

    def sleep(seconds: float) -> None:
        renewed.append(world.job["lease"]["expiresAt"])
        original(seconds)

    world.clock.sleep = sleep
    world.run(max_items=1)
    assert len(set(renewed)) >= 3, "every thirty seconds of two minutes"


def test_job_in_error_goes_back_to_its_mode(world):
    world.server.faults.add("html", times=5)
    with pytest.raises(FailRun):
        world.run()
    assert (world.job["status"], world.job["lastRunErrors"]) == ("error", 1)
    world.run(max_items=1)
    assert (world.job["status"], world.job["lastRunErrors"]) == ("backfilling", 0)
    world.run()
    assert world.job["status"] == "syncing"
    world.pass_time(hours=1)
    world.server.faults.clear()
    world.server.faults.add("html", times=5)
    with pytest.raises(FailRun):
        world.run()
    assert world.job["status"] == "error"
    result = world.run()
    assert (world.job["status"], result.transition) == ("syncing", False)
    assert result.record["mode"] == "syncing"
    assert problems(world) == []


def test_job_of_the_first_version_starts_its_backfill_again(world):
    """It kept no windows: a cursor, and a date that may lie past notices never read."""
    created = datetime(2025, 1, 1, tzinfo=UTC)
    legacy = {
        "source": world.source.name,
        "status": "syncing",
        "cursor": "cursor=b2xk",
        "backfillStartDate": f"{world.start:%Y-%m-%dT%H:%M:%SZ}",
        "lastSyncedDate": "2026-06-05T00:00:00.123Z",
        "totalFetched": 1000,
        "lastRunAt": created,
        "lastRunFetched": 100,
        "lastRunErrors": 0,
        "errorLog": [{"message": "an object", "at": created}],
        "createdAt": created,
        "updatedAt": created,
    }
    world.db.syncJobs.insert_one(dict(legacy))
    result = world.run()
    assert (result.record["mode"], result.transition) == ("backfilling", True)
    assert "cursor" not in world.server.requests[0].query
    assert world.job["createdAt"] == created
    # What the first version had counted stays counted.
    assert world.job["totalFetched"] == 1000 + result.fetched
    assert [line for line in problems(world) if "totalFetched" not in line] == []
    assert not world.run().transition


def test_contracts_of_the_first_version_are_completed(world):
    """They have neither hash nor buyerId, and their buyers' counts were only ever incremented."""
    world.run()
    world.db.contracts.update_many({}, {"$unset": {"releaseHash": 1, "buyerId": 1, "mapperVersion": 1}})
    world.db.contracts.update_many({}, {"$set": {"score": 3}})
    world.db.buyers.update_many({}, {"$set": {"contractCount": 99}})
    forget(world.db, "syncJobs", "syncRuns")
    result = world.run()
    assert result.transition
    Buyers(world.db, world.clock).recount_buyers()
    assert problems(world) == []
    assert world.db.contracts.count_documents({"score": 3}) == world.db.contracts.count_documents({})


@pytest.mark.parametrize("missing", ["backfillStartDate", "lastSyncedDate"])
@pytest.mark.parametrize("is_there", [True, False], ids=["null", "not there"])
def test_first_version_job_that_never_ran_begins_at_its_beginning(world, missing, is_there):
    """Mongoose writes no field for what is undefined."""
    legacy = {"source": world.source.name, "status": "backfilling", "backfillStartDate": "2026-06-03T00:00:00.000Z"}
    legacy[missing] = None
    if not is_there:
        del legacy[missing]
    world.db.syncJobs.insert_one(legacy)
    job = world.holder()[0].get_or_create_sync_job(world.start)
    expected = world.source.history_start if missing == "backfillStartDate" else world.start
    assert job.backfill_start == job.position.watermark == expected


def test_state_has_a_constant_size(world):
    """However often it fails: the log of errors and the list of suspect windows are cut, and runs have documents."""
    jobs, _, job = hold(world)
    sizes = []
    for count in (130, 130):
        for number in range(count):
            jobs.mark_sync_error(f"failure {number:03d} " + "x" * 3000, position=job.position, stuck=False)
        sizes.append(len(bson.encode(world.job)))
    assert len(world.job["errorLog"]) == 100
    assert world.job["errorLog"][-1].split(": ")[1].startswith("failure 129")
    assert all(isinstance(entry, str) for entry in world.job["errorLog"])
    assert sizes[0] == sizes[1] < 300_000


def test_transition_is_claimed_once_for_ever_and_again_by_the_same_run(world):
    assert "still backfilling" in claim_transition(world.db, world.source, "run-1")
    world.run(max_items=1)
    assert world.job["lastSyncedDate"] in claim_transition(world.db, world.source, "run-1")
    world.run()
    assert claim_transition(world.db, world.source, "run-2") is None
    assert claim_transition(world.db, world.source, "run-2") is None
    why_not = claim_transition(world.db, world.source, "run-3")
    assert "announced by run-2" in why_not
    assert f"{world.job['backfillCompletedAt']:%Y-%m-%d %H:%M}" in why_not


def test_crash_between_completion_and_the_end_of_the_run_loses_no_transition(world, monkeypatch):
    """The process ends right after the backfill is noted as complete; the next run's sensor still finds it."""
    from tender_sync.storage.sync_jobs import SyncJobs  # noqa: PLC0415 - only here

    class PowerCut(Exception):
        pass

    def cut(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(SyncJobs, "end_run", cut)
        with pytest.raises(PowerCut):
            world.run()
    assert world.run().done
    assert claim_transition(world.db, world.source, "run-2") is None
    assert problems(world) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("totalFetched", "12,000"),
        ("totalFetched", None),
        ("errorLog", "it failed"),
        ("suspectWindows", "none"),
        ("failures", {}),
        ("cursor", 7),
        ("window", "2026-06-05"),
        ("backfillStartDate", START),
        ("backfillStartDate", "soon"),
        ("lastSyncedDate", START),
        ("window.from", "2026-06-05"),
        ("window.to", None),
        ("window.pages", "two"),
        ("window", {}),
        ("window.held", []),
        ("window.topNumber", "075502-2026"),
        ("lease.owner", 7),
        ("lease.takenAt", None),
        ("lease.expiresAt", "2026-06-05"),
        ("totals", []),
        ("totals", None),
        ("totals.requests", "12,000"),
        ("doubt", {}),
        ("doubt", {"to": START, "held": 1, "found": 0}),
        ("windowSpanSeconds", 0),
        ("windowSpanSeconds", -3600),
        ("windowSpanSeconds", float("inf")),
        ("lastNumber", "075502-2026"),
        ("lastRunAt", "yesterday"),
        ("backfillCompletedAt", "2026-06-05"),
    ],
    ids=str,
)
def test_job_written_to_by_hand_is_refused_in_one_sentence_and_not_changed(world, name, value):
    world.run_into_a_window()
    hold(world, expiresAt=datetime(2026, 1, 1, tzinfo=UTC))
    world.db.syncJobs.update_one({}, {"$set": {name: value}})
    before = dump(world.db)
    with pytest.raises(
        FixSetup, match=rf"^syncJobs\.{name}[.\w]* of {world.source.title} is .*; expected (a|greater|less)"
    ):
        world.run(owner="another/task")
    assert dump(world.db) == before


def test_lists_and_counts_of_a_job_that_are_null_are_begun_anew(world):
    world.run_into_a_window()
    world.db.syncJobs.update_one({}, {"$set": {"errorLog": None, "suspectWindows": None, "window.held": None}})
    world.run_until_done()
    assert (world.job["errorLog"], world.job["suspectWindows"]) == ([], [])
