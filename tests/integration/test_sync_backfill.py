"""From nothing to the transition and on: after every run, MongoDB equals what the API shows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.integration.oracle import problems
from tests.integration.world import LEEDS, dump, forget, notices, release
from tools.ocds_server import CONTRACTS_FINDER


@pytest.mark.each_source
def test_backfill_with_one_page_a_run_ends_complete(world):
    """No run comes further than one page: each goes on where the last one stopped, mid-window or between."""
    results, inside_windows = [], 0
    while not results or not results[-1].done:
        assert len(results) < 300
        results.append(world.run(max_items=1))
        inside_windows += world.job["window"] is not None and world.job["cursor"] is not None
        assert problems(world, done=results[-1].done) == []
    assert inside_windows > 1
    assert world.db.contracts.count_documents({}) > 30
    assert [result.transition for result in results] == [False] * (len(results) - 1) + [True]
    assert max(result.record.get("pages", 0) for result in results if result.fetched) <= 10
    assert all(result.outcome == "item budget spent" for result in results[:-1])


def test_backfill_with_one_page_a_run_reads_every_page_once(world):
    """A resumed run does not begin its window again."""
    whole = world.run()
    requests = len(world.server.requests)
    forget(world.db)
    results = world.run_until_done(max_items=1)
    assert sum(result.fetched for result in results) == whole.fetched
    assert len(world.server.requests) == 2 * requests


def test_run_ends_with_the_page_that_just_fills_its_item_budget(world):
    first = world.run(max_items=1)
    forget(world.db)
    assert world.run(max_items=first.fetched).fetched == first.fetched


def test_transition_is_made_once(world):
    first, second = world.run(), world.run()
    completed = world.job["backfillCompletedAt"]
    assert (first.transition, first.done, first.outcome) == (True, True, "done")
    assert (second.transition, second.done) == (False, True)
    assert completed == world.clock.now()
    assert world.job["status"] == "syncing"


def test_transition_comes_though_every_run_ends_a_little_behind(source, make_world):
    """In summer each window of Contracts Finder holds the last hour, too: here more than a run's budget of one page."""
    world = make_world(source, [])
    for number in range(source.windows.page_size + 2):
        world.publish(f"99{number:04d}-2026")
        world.pass_time(minutes=1)
    results = []
    while not any(result.transition for result in results):
        assert len(results) < 30
        results.append(world.run(max_items=1, on_fetch=lambda: world.pass_time(seconds=2)))
        assert problems(world, done=results[-1].done) == []
    assert not any(result.done for result in results)
    assert world.job["status"] == "syncing"
    assert world.run().done
    assert problems(world) == []


@pytest.mark.each_source
def test_sync_brings_what_was_published_and_changed(world):
    world.run()
    name = world.source.name
    known = sorted(world.catalogue.existing(name))
    for hour in range(3):
        world.pass_time(hours=1)
        fresh = []
        for minute in range(13):
            world.pass_time(minutes=1)
            fresh.append(world.publish(f"{hour:02d}{minute:02d}00-2026"))
        changed = world.catalogue.change(name, known.pop(), in_place=True)
        updated = world.catalogue.change(name, known.pop())
        world.pass_time(minutes=1)
        results = world.run_until_done(max_items=40)
        assert problems(world) == []
        assert world.contract(fresh[0]["id"])["rawData"] == fresh[0]
        assert world.contract(changed["id"])["rawData"] == changed
        assert world.contract(updated["id"])["rawData"] == updated
        assert not any(result.transition for result in results)
        assert sum(result.changed for result in results) == 15


def test_notices_published_while_a_backfill_runs_come_with_the_next_sync(world):
    """The ceiling is the run's start, so whatever appears during the walk is later than the watermark."""
    published = []

    def publish() -> None:
        world.pass_time(seconds=20)
        published.append(world.publish(f"9{len(published):05d}-2026"))

    began = world.clock.now()
    world.run(on_fetch=publish)
    assert len(published) > 5
    assert datetime.fromisoformat(world.job["lastSyncedDate"]) == began
    assert problems(world) == []
    world.pass_time(minutes=1)
    world.run()
    assert problems(world) == []
    assert all(world.contract(each["id"]) for each in published)


def test_notice_listed_late_is_found_within_the_look_back(world):
    """A notice may appear in the list up to the look-back after the time it is dated."""
    world.run()
    dated = world.clock.now() - timedelta(minutes=5)
    world.pass_time(hours=1)
    world.catalogue.publish(world.source.name, release("990001-2026", date=dated))
    world.run()
    assert world.contract("990001-2026")
    assert problems(world) == []


def test_watermark_never_comes_from_a_notice(empty_world):
    """A notice dated in the future, listed now, moves nothing past the run's own start."""
    world, now = empty_world, empty_world.clock.now()
    future = release("000001-2026", date=now + timedelta(days=3650))
    world.catalogue.publish(world.source.name, future, when=now - timedelta(hours=1))
    world.run()
    assert world.contract("000001-2026")
    assert datetime.fromisoformat(world.job["lastSyncedDate"]) == now


def test_replayed_history_changes_nothing(world):
    """updatedAt means changed: a history read again writes no contract and no buyer."""
    first = world.run()
    before = dump(world.db, leave_out=["syncJobs", "syncRuns"])
    world.pass_time(hours=1)
    forget(world.db, "syncJobs", "syncRuns")
    second = world.run()
    assert dump(world.db, leave_out=["syncJobs", "syncRuns"]) == before
    assert (second.changed, second.fetched) == (0, first.fetched)
    assert problems(world) == []


def test_look_back_changes_nothing(world):
    world.run()
    before = dump(world.db, leave_out=["syncJobs", "syncRuns"])
    world.pass_time(minutes=5)
    again = world.run()
    assert again.record["unchanged"] > 0, "the look-back holds notices"
    assert again.changed == 0
    assert dump(world.db, leave_out=["syncJobs", "syncRuns"]) == before


@pytest.mark.each_source
def test_odd_notices_cost_no_other_and_none_is_lost(source, make_world):
    """Four in ten releases have something odd about them: every one is stored, or kept as rejected with its reason."""
    world = make_world(source, notices(source, dirty=0.4, times=3))
    result = world.run()
    assert result.done
    assert problems(world) == []
    rejected = list(world.db.rejectedReleases.find())
    assert len(rejected) >= 3
    assert result.errors == result.record["rejected"] >= len(rejected)
    for document in rejected:
        assert document["reason"]
        assert document["runId"] == "run-1"
        assert document["window"]["from"] < document["window"]["to"]


def test_rejected_release_that_can_be_mapped_later_leaves_the_rejected(empty_world):
    world = empty_world
    world.run()
    world.db.rejectedReleases.insert_one(
        {"source": world.source.name, "noticeId": "000001-2026", "contentHash": "x", "reason": "an older mapper's"}
    )
    world.pass_time(minutes=5)
    world.publish("000001-2026")
    world.pass_time(minutes=5)
    world.run()
    assert world.contract("000001-2026")
    assert world.db.rejectedReleases.count_documents({}) == 0


@pytest.mark.each_source
def test_contracts_finder_may_read_its_times_in_either_clock(source, make_world):
    """Which clock it reads a time without zone by is not documented; nothing is lost by either."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only here

    world = make_world(source)
    world.server.api.cf_zone = ZoneInfo("Europe/London")
    world.run()
    assert problems(world) == []
    world.pass_time(minutes=50)
    world.publish("990001-2026")
    world.pass_time(minutes=10)
    world.run()
    assert world.contract("990001-2026")


def test_time_budget_ends_a_run_in_order(world):
    """The budget is checked between pages; the run says so, gives its lease back, and the next goes on."""
    results = [world.run(time_budget=timedelta(minutes=25), on_fetch=lambda: world.pass_time(minutes=10))]
    assert (results[0].outcome, results[0].done) == ("time budget spent", False)
    assert results[0].record["pages"] == 3
    assert problems(world, done=False) == []
    world.run()
    assert problems(world) == []


def test_run_told_to_stop_ends_at_the_next_page_and_gives_its_lease_back(world):
    fetched = []
    result = world.run(on_fetch=lambda: fetched.append(1), stop_requested=lambda: len(fetched) == 2)
    assert (result.outcome, result.record["pages"]) == ("told to stop", 2)
    assert world.job["lease"] is None
    world.run(owner="another/run/sync")
    assert problems(world) == []


def test_both_sources_share_their_buyers(make_world, source):
    """The second source's contracts count for the buyer the first one brought."""
    from tender_sync.sources import SOURCES  # noqa: PLC0415 - only here

    (other,) = (each for each in SOURCES.values() if each.name != source.name)
    for number, each in enumerate((source, other)):
        world = make_world(each, ())
        world.clock.sleep(-60)
        world.publish(f"00000{number}-2026")
        world.clock.sleep(60)
        world.run()
    assert world.count_of(LEEDS) == 2
    assert problems(world) == []


@pytest.mark.each_source
def test_contracts_finder_keeps_the_older_release_of_an_updated_notice(make_world, source):
    """Its search shows only the latest release of a notice; what was stored before stays."""
    world = make_world(source)
    world.run()
    old = next(iter(world.catalogue.existing(source.name)))
    world.pass_time(minutes=5)
    new = world.catalogue.change(source.name, old)["id"]
    world.pass_time(minutes=5)
    world.run()
    assert (old in world.catalogue.existing(source.name)) == (source.name != CONTRACTS_FINDER)
    assert world.contract(old)
    assert world.contract(new)


def test_notice_listed_late_is_found_by_a_run_that_goes_on_hours_later(world):
    """A walk is cut off after its first page, and a notice dated before it appears there; the API is down for hours."""
    world.run()
    for number in range(world.source.windows.page_size * 2):
        world.publish(f"{900000 + number}-2026")
        world.pass_time(seconds=30)
    world.run(max_items=1)
    assert world.place["cursor"]
    listed_late = release("990000-2026", date=world.clock.now() - timedelta(minutes=5))
    world.pass_time(minutes=3)
    world.catalogue.publish(world.source.name, listed_late)
    world.pass_time(hours=6)
    world.run_until_done(max_items=1)
    assert world.contract("990000-2026")
    assert problems(world) == []


def test_notice_listed_late_at_the_tail_of_a_backfill_is_found_by_a_run_that_goes_on_hours_later(world):
    for number in range(world.source.windows.page_size * 3):
        world.publish(f"{900000 + number}-2026")
        world.pass_time(seconds=30)
    while not (world.place["cursor"] and world.place["window"]["to"] == world.clock.now()):
        assert not world.run(max_items=1).done
    listed_late = release("990000-2026", date=world.clock.now() - timedelta(minutes=5))
    world.pass_time(minutes=3)
    world.catalogue.publish(world.source.name, listed_late)
    world.pass_time(hours=6)
    assert world.job["backfillCompletedAt"] is None
    world.run_until_done(max_items=1)
    assert world.contract("990000-2026")
    assert problems(world) == []
