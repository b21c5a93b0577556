"""What outlasts a run: windows that shrink and grow again, and what is set aside. Single faults: tests/resilience."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import parse_qs

import pytest
from airflow.providers.http.hooks.http import HttpHook
from requests.exceptions import ReadTimeout

from tender_sync.api.client import CONNECT_SECONDS, READ_SECONDS
from tender_sync.api.retry_rules import TRIES
from tender_sync.errors import FailRun, RetrySmallerWindow
from tender_sync.storage.lease import LEASE, Lease
from tests.integration.oracle import problems
from tests.integration.world import NOW, WINTER, notices, release
from tools.ocds_server import FIND_A_TENDER, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pymongo.client_session import ClientSession

    from tools.ocds_server.answer import Answer
    from tools.ocds_server.faults import Exchange


@pytest.mark.each_source
def test_window_deeper_than_the_source_allows_is_read_in_parts(source, make_world):
    world = make_world(replace(source, windows=replace(source.windows, max_pages=2)))
    assert world.run().done
    assert problems(world) == []
    cursors = [record for record in world.server.requests if "cursor=" in record.query]
    assert len(cursors) < len(world.server.requests) / 2, "no walk went past its second page"


def test_tries_that_together_outlast_the_lease_keep_it(world, monkeypatch):
    """Each waits a minute for its answer, and none of the pauses between them is worth a renewal by itself."""
    kept: list[datetime] = []
    renew = Lease.renew

    def noted(lease: Lease, session: ClientSession | None = None) -> None:
        kept.append(world.clock.now())
        renew(lease, session)

    def silent(*_: object, **__: object) -> NoReturn:
        world.clock.sleep(CONNECT_SECONDS + READ_SECONDS)
        raise ReadTimeout("Read timed out")

    monkeypatch.setattr(Lease, "renew", noted)
    monkeypatch.setattr(HttpHook, "run", silent)
    began = world.clock.now()
    with pytest.raises(RetrySmallerWindow):
        world.run()
    moments = [began, *kept, world.clock.now()]
    assert moments[-1] - began > LEASE
    assert max(later - earlier for earlier, later in pairwise(moments)) < LEASE


def test_windows_grow_again_once_they_fit(world):
    """A bad hour does not make every later window small."""
    world.server.faults.add("full_without_next", times=3)
    world.run()
    assert world.job["windowSpanSeconds"] >= world.source.windows.first_span.total_seconds()


@pytest.mark.each_source
@pytest.mark.parametrize("hours", [24, 12, 7])
def test_find_a_tender_hides_nothing_in_long_windows(source, make_world, hours):
    """Kingfisher met releases missing from windows of days; no answer says so, but the notices' numbers do."""
    world = make_world(source)
    rule = world.server.faults.add("missing_releases", hours=hours, share=0.3)
    world.run_until_done(max_items=10)
    if source.name == FIND_A_TENDER:
        assert problems(world) == []
        assert rule.hits > 0 or not world.job["losesReleases"]
        assert hours > 7 or world.job["losesReleases"]
    else:
        assert rule.hits > 0, "Contracts Finder, which has no numbers, is walked in windows of days, as Kingfisher does"


def crowd(world, count):
    """Publish so many notices, numbered from 900000 on, in one second, and return that moment."""
    crowded = world.clock.now().replace(hour=11, minute=30)
    for number in range(count):
        world.catalogue.publish(world.source.name, release(f"9{number:05d}-2026", date=crowded))
    return crowded


def test_smallest_window_read_again_counts_its_notices_anew(source, make_world):
    """What is read twice would count twice, and pass for what a long window had lost."""
    world = make_world(source, notices(source, times=0.3, now=WINTER), now=WINTER)
    crowd(world, 25)
    world.server.faults.add("repeated_cursor")
    for _ in range(2):
        with pytest.raises(RetrySmallerWindow, match="no believable end"):
            world.run()
        window = world.job["window"]
        assert (window["pages"], window["held"]) == (0, 0)


@pytest.mark.each_source
def test_smallest_window_without_a_believable_end_is_set_aside_by_the_third_run(source, make_world):
    """More notices in one second than a page holds, and no next link: said twice, then noted and left."""
    world = make_world(source, notices(source, times=0.3, now=WINTER), now=WINTER)
    crowded = crowd(world, 15)
    world.server.faults.add("full_without_next")
    for _ in range(2):
        with pytest.raises(RetrySmallerWindow, match="no believable end"):
            world.run()
        assert world.job["status"] == "error"
        assert world.job["suspectWindows"] == []
    assert len(world.job["errorLog"]) == 2
    world.run_until_failures_end()
    assert world.job["suspectWindows"]
    for suspect in world.job["suspectWindows"]:
        assert suspect["from"] <= crowded <= suspect["to"]
    # Those of the first page are in all the same.
    lost = [line for line in problems(world) if not line.startswith(f"missing: {source.name} 9")]
    assert lost == []
    assert world.contract("900014-2026")


@pytest.mark.parametrize("now", [WINTER, NOW], ids=["winter", "summer"])
def test_notices_that_fill_their_last_page_hold_nothing_up(source, make_world, now):
    """All of one second, which no window can part: whole though its full page has no next link, and read as such."""
    world = make_world(source, (), now=now)
    crowd(world, source.windows.page_size)
    world.run_until_done(most=1)
    assert problems(world) == []
    assert world.job["suspectWindows"] == []


def test_failures_of_one_window_set_no_later_one_aside(source, make_world):
    """Two runs fail at a window; the third gets past it, and meets another without an end for the first time."""
    world = make_world(source, notices(source, now=WINTER), now=WINTER)
    crowd(world, 16)
    world.run(max_items=1)
    world.server.faults.add("http_504", times=2 * TRIES)
    for _ in range(2):
        with pytest.raises(RetrySmallerWindow, match="HTTP 504"):
            world.run()
    assert world.job["failures"] == 2
    world.server.faults.add("full_without_next")
    with pytest.raises(RetrySmallerWindow, match="no believable end"):
        world.run()
    assert (world.job["failures"], world.job["suspectWindows"]) == (1, [])
    world.server.faults.clear()
    world.run_until_done()
    assert problems(world) == []


def spoil_the_page_of_one(world, monkeypatch, spoil: Callable[[Exchange], Answer]) -> str:
    """Spoil every page with one certain notice; return that notice's id."""
    released = list(world.catalogue.existing(world.source.name))
    notice_id = released[len(released) // 2]

    def spoiled(exchange: Exchange) -> Answer | None:
        return spoil(exchange) if f'"id":"{notice_id}"'.encode() in exchange.answer.body else None

    monkeypatch.setitem(REGISTRY, "spoiled", spoiled)
    world.server.faults.add("spoiled")
    return notice_id


def breaks_off(exchange: Exchange) -> Answer:
    """Let a page break off before its end."""
    return replace(exchange.answer, body=exchange.answer.body[:-20])


def test_undecodable_page_that_stays_so_is_set_aside_and_the_source_goes_on(source, make_world, monkeypatch):
    world = make_world(source, now=WINTER)
    broken = spoil_the_page_of_one(world, monkeypatch, breaks_off)
    for number in (1, 2):
        with pytest.raises(FailRun, match="damaged JSON"):
            world.run()
        assert len(world.job["errorLog"]) == number
        assert world.job["suspectWindows"] == []
        assert world.db.rejectedReleases.count_documents({}) == 0
    world.run_until_failures_end(most=9)
    assert 1 <= len(world.job["suspectWindows"]) <= 3
    kept = list(world.db.rejectedReleases.find())
    assert kept
    for document in kept:
        assert document["reason"].startswith("undecodable page")
        assert f'"id":"{broken}"'.encode() in zlib.decompress(document["rawZlib"])
    missing = [line for line in problems(world) if line.startswith("missing: ")]
    assert any(broken in line for line in missing)
    assert len(missing) <= 2
    pages = {document["contentHash"] for document in kept}
    assert [line for line in problems(world) if line not in missing and line[-64:] not in pages] == []


@pytest.mark.parametrize("now", [WINTER, NOW], ids=["winter", "summer"])
def test_notice_that_the_api_cannot_tell_does_not_hold_its_source_up(source, make_world, monkeypatch, now):
    """Each page with it is an internal error, for good."""
    world = make_world(source, now=now)
    untold = spoil_the_page_of_one(world, monkeypatch, REGISTRY["http_500"])
    world.run_until_failures_end(most=150)
    suspects = world.job["suspectWindows"]
    assert 1 <= len(suspects) <= 3
    assert all("HTTP 500" in suspect["reason"] for suspect in suspects)
    missing = [line for line in problems(world) if line.startswith("missing: ")]
    assert any(untold in line for line in missing)
    assert len(missing) <= 2
    assert problems(world) == missing


def test_api_that_fails_everywhere_sets_nothing_aside(world):
    world.run(max_items=1)
    world.server.faults.add("http_500")
    for _ in range(25):
        with pytest.raises(RetrySmallerWindow, match="HTTP 500"):
            world.run()
    assert world.job["suspectWindows"] == []
    window = world.job["window"]
    # All summer long Contracts Finder's two clocks leave an hour open.
    smallest = timedelta(hours=1) if len(world.source.windows.clocks) > 1 else timedelta(seconds=3)
    assert window["to"] - window["from"] <= smallest
    world.server.faults.clear()
    world.run_until_done()
    assert problems(world) == []


def test_page_for_people_with_status_200_fails_the_run_and_never_sets_anything_aside(world):
    """The service is away: that says nothing about any window, however often it happens."""
    place = world.run_into_a_window()
    rule = world.server.faults.add("html")
    for number in range(1, 5):
        with pytest.raises(FailRun) as stopped:
            world.run()
        assert not isinstance(stopped.value, RetrySmallerWindow)
        assert rule.hits == 5 * number, "each run tries five times"
        assert "Sorry, there is a problem" in str(stopped.value) or "<!DOCTYPE html>" in str(stopped.value)
        assert world.source.http_conn_id in str(stopped.value)
        assert world.place == place
        assert (world.job["status"], world.job["failures"], world.job["suspectWindows"]) == ("error", 0, [])
    world.server.faults.clear()
    assert world.run().done
    assert problems(world) == []
    assert world.db.rejectedReleases.count_documents({}) == 0


def test_body_that_comes_in_drops_is_ended(world, monkeypatch):
    """Each drop comes well within the time-out of a read; all of them together would take minutes."""
    began, now = time.monotonic(), world.clock.now
    monkeypatch.setattr(world.clock, "now", lambda: now() + timedelta(seconds=time.monotonic() - began))
    monkeypatch.setattr("tender_sync.api.client.BODY_SECONDS", 0.2)
    world.server.faults.add("trickle", size=20, pause=0.05)
    with pytest.raises(RetrySmallerWindow, match=r"had not ended after \d+ bytes and"):
        world.run()
    assert time.monotonic() - began < 60


def test_failing_window_is_halved_after_two_runs(world):
    """A server that cannot answer a large window may answer a small one."""
    first = world.run(max_items=1)
    assert first.fetched
    window = world.job["window"]
    world.server.faults.add("http_504")
    for failures in (1, 2):
        with pytest.raises(RetrySmallerWindow):
            world.run()
        assert (world.job["failures"], world.job["window"]) == (failures, window)
    world.server.faults.clear()
    asked = len(world.server.requests)
    world.run(max_items=1)
    whole, half = (parse_qs(world.server.requests[n].query)[world.source.windows.to_param] for n in (asked - 1, asked))
    assert half < whole
    world.run_until_done()
    assert problems(world) == []


@pytest.mark.parametrize("loses", ["reset", "cut_short"])
def test_connection_that_only_small_answers_survive_does_not_hold_the_source_up(source, make_world, monkeypatch, loses):
    """The same as a 504, of a gateway that says less."""
    world = make_world(source, now=WINTER)

    def spoiled(exchange: Exchange) -> Answer | None:
        return REGISTRY[loses](exchange) if exchange.answer.body.count(b'"ocid"') > 3 else None

    monkeypatch.setitem(REGISTRY, "spoiled", spoiled)
    world.server.faults.add("spoiled")
    world.run_until_failures_end(most=100)
    assert problems(world) == []


def test_api_that_refuses_the_pace_gets_no_smaller_windows(world):
    """Two refused runs would halve the window otherwise, and so ask for more pages of an API that wants fewer."""
    world.run(max_items=1)
    window = world.job["window"]
    world.server.faults.add("http_429")
    for _ in range(2):
        with pytest.raises(FailRun, match="HTTP 429"):
            world.run()
    assert (world.job["failures"], world.job["window"]) == (0, window)
    world.server.faults.clear()
    world.run_until_done()
    assert problems(world) == []
