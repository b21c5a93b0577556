"""Reading out of turn: a replay repairs and moves nothing, a dry run tells and writes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tender_sync.errors import FailRun, ReadAgain, SkipRun
from tender_sync.run_outcome import Outcome
from tender_sync.windows import TimeRange
from tests.integration.oracle import problems
from tests.integration.world import DAY, START, dump

WHERE = ("status", "cursor", "window", "windowSpanSeconds", "lastSyncedDate", "failures", "backfillCompletedAt")


def where(world):
    return {name: world.job.get(name) for name in WHERE}


def test_replay_brings_back_what_is_missing_and_moves_nothing(world):
    world.run()
    before = where(world)
    lost = world.lose(DAY)
    record = world.replay(DAY)
    assert record["created"] == len(lost)
    assert (record["mode"], record["outcome"], record["reached"]) == ("replay", "done", DAY.end)
    assert record["range"] == {"from": DAY.start, "to": DAY.end}
    assert where(world) == before
    assert problems(world) == []


def test_replay_of_what_is_all_there_changes_nothing(world):
    world.run()
    before = dump(world.db, leave_out=("syncRuns", "syncJobs"))
    record = world.replay(DAY)
    assert record["unchanged"] == record["fetched"] - record.get("doubled", 0) - record.get("rejected", 0) > 0
    assert dump(world.db, leave_out=("syncRuns", "syncJobs")) == before


def test_replay_in_the_middle_of_a_backfill_leaves_its_open_window(world):
    world.run_into_a_window()
    before = where(world)
    ahead = TimeRange(world.clock.now() - timedelta(days=1), world.clock.now())
    assert world.replay(ahead)["created"] > 0
    assert where(world) == before
    assert world.run_until_done(max_items=20)
    assert problems(world) == []


def test_replay_of_a_source_that_never_ran_is_a_beginning_of_nothing(world):
    world.replay(DAY)
    assert (world.job["status"], world.job["lastSyncedDate"]) == ("backfilling", None)
    assert world.run().transition
    assert problems(world) == []


def test_replay_does_not_declare_a_failing_source_healthy(world):
    world.run()
    world.server.faults.add("html", times=5)
    world.pass_time(hours=1)
    with pytest.raises(FailRun):
        world.run()
    world.replay(DAY)
    assert world.job["status"] == "error"


def test_replay_that_fails_says_so_and_moves_nothing(world):
    world.run()
    before = where(world)
    world.server.faults.add("html")
    with pytest.raises(FailRun):
        world.replay(DAY)
    assert where(world) == before
    assert "Sorry" in world.job["errorLog"][-1] or "DOCTYPE" in world.job["errorLog"][-1]
    assert world.job["lease"] is None
    failed = world.db.syncRuns.find_one({"mode": "replay"})
    assert (failed["outcome"], failed["error"][:4]) == ("failed", world.source.title[:4])
    counted = sum(run["requests"] for run in world.db.syncRuns.find())
    assert counted == len(world.server.requests), "those made in vain, too"
    world.server.faults.clear()
    world.replay(DAY)
    assert problems(world) == []


def test_replay_out_of_budget_says_how_far_it_came(world, caplog):
    world.run()
    world.lose(DAY)
    whole = TimeRange(START, world.clock.now())
    record = world.replay(whole, max_items=1)
    assert record["outcome"] == "item budget spent"
    assert START <= record["reached"] < whole.end
    assert f"window_from {record['reached']:%Y-%m-%dT%H:%M:%SZ}" in caplog.text
    while record["outcome"] != "done":
        record = world.replay(TimeRange(record["reached"], whole.end), max_items=40)
    assert problems(world) == []


def test_replay_waits_for_the_run_that_holds_the_source(world):
    world.run()
    lost = world.lose(DAY)
    jobs, _ = world.holder("dag/other/sync", "other")
    jobs.get_or_create_sync_job(world.start)
    original, waits = world.clock.sleep, []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 40:
            jobs.end_run(Outcome.DONE)
        original(seconds)

    world.clock.sleep = sleep
    assert world.replay(DAY)["created"] == len(lost)
    assert sum(waits) >= 40
    assert problems(world) == []


def test_replay_that_never_gets_the_lease_fails_and_names_the_holder(world):
    world.run()
    jobs, _ = world.holder("dag/other/sync", "other")
    jobs.get_or_create_sync_job(world.start)
    asked = len(world.server.requests)
    with pytest.raises(FailRun, match=r"could not begin, nothing was done.*dag/other/sync"):
        world.replay(DAY, time_budget=timedelta(minutes=3))
    assert len(world.server.requests) == asked
    assert world.job["lease"]["owner"] == "dag/other/sync"


def test_zombie_of_a_replay_writes_nothing_more(world):
    world.run()
    world.lose(DAY)

    def overtake() -> None:
        if len(world.server.requests) > asked:
            world.db.syncJobs.update_one({}, {"$set": {"lease.token": "another"}})
            state.append(dump(world.db))

    asked, state = len(world.server.requests), []
    with pytest.raises(SkipRun, match="taken over"):
        world.replay(DAY, on_fetch=overtake)
    assert dump(world.db) == state[0]


@pytest.mark.parametrize("fault", ["full_without_next", "cursor_cycle", "short_with_next", "expired_cursor"])
def test_replay_reads_lying_walks_to_their_end(world, fault):
    world.run()
    world.lose(DAY)
    rule = world.server.faults.add(fault)
    assert world.replay(TimeRange(START, world.clock.now()))["outcome"] == "done"
    assert rule.hits > 0
    assert problems(world) == []


def test_replay_sets_every_hopeless_window_aside_and_goes_on(world):
    """No run comes back to a replay's window by itself, and the rest of the range is wanted all the same."""
    world.run()

    def broken() -> None:
        raise ReadAgain("damaged JSON")

    # In summer the smallest window of a source with two clocks is an hour.
    several = timedelta(hours=3) if len(world.source.windows.clocks) > 1 else timedelta(seconds=5)
    narrow = TimeRange(DAY.start, DAY.start + several)
    assert world.replay(narrow, on_fetch=broken)["outcome"] == "done"
    assert len(world.job["suspectWindows"]) > 1


def test_dry_run_tells_what_a_replay_then_does_and_writes_nothing(world):
    world.run()
    lost = world.lose(DAY)
    changed, remapped = (each["noticeId"] for each in world.db.contracts.find({"publishedDate": {"$gte": DAY.end}})[:2])
    world.db.contracts.update_one({"noticeId": changed}, {"$set": {"releaseHash": "an older one"}})
    world.db.contracts.update_one({"noticeId": remapped}, {"$set": {"mapperVersion": 0}})
    window = TimeRange(DAY.start, world.clock.now())
    before = dump(world.db)
    told = world.dry_run(window)
    assert dump(world.db) == before
    done = world.replay(window)
    for fate in ("fetched", "created", "updated", "rejected", "windows", "requests"):
        assert told["would"].get(fate, 0) == done.get(fate, 0), fate
    assert sorted(told["named"]["created"]) == sorted(lost)
    assert sorted(told["named"]["updated"]) == sorted([changed, remapped])
    assert (told["mode"], told["outcome"], told["reached"]) == ("dry_run", "done", window.end)
    assert problems(world) == []


def test_dry_run_needs_no_lease(world):
    jobs, _ = world.holder("dag/other/sync", "other")
    jobs.get_or_create_sync_job(world.start)
    assert world.dry_run(DAY)["would"]["created"] > 0
    assert isinstance(world.job["lease"]["expiresAt"], datetime)
