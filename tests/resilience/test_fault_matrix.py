"""Each fault alone and all of them mixed, for both sources, while the history is read and when it is kept up to date.

A fault that lasts either costs nothing, or stops the run with a sentence; once it has ended everything is there.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tender_sync.errors import FailRun
from tender_sync.sources import SOURCES
from tests.integration.oracle import problems
from tests.integration.world import forget, small
from tests.resilience.faults import FAULTS, SECONDS_A_REQUEST, Case, Fault, Served

if TYPE_CHECKING:
    from tests.integration.world import World

# Runs of one page each: what a fault leaves behind must outlast the run that met it.
SHORT_RUNS = 6


@pytest.fixture
def source(name):
    return small(SOURCES[name])


@pytest.fixture
def world(source, make_world, mode):
    """A world with everything still to read, or with twelve hours of news since its last complete run."""
    world = make_world(source)
    if mode == "sync":
        world.run()
        news(world)
    return world


def news(world: World) -> None:
    """Publish four pages within twelve hours, an update and a change in place among them."""
    known = sorted(world.catalogue.existing(world.source.name))
    count = world.source.windows.page_size * 4
    for number in range(count):
        world.pass_time(hours=12 / count)
        world.publish(f"{world.clock.now():%H%M%S}-{number}")
    world.catalogue.change(world.source.name, known.pop(), in_place=True)
    world.catalogue.change(world.source.name, known.pop())
    world.pass_time(minutes=1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every fault at both sources in both modes; the quick core takes one mode, and of what passes one source."""
    long, first = metafunc.config.getoption("--long"), metafunc.config.getoption("--seed")
    everywhere = [(name, mode) for name in sorted(SOURCES) for mode in ("backfill", "sync")]
    rows: list[tuple[str, str, Any]] = []
    if "fault" in metafunc.fixturenames:
        for number, fault in enumerate(FAULTS):
            two = [everywhere[number % 2], everywhere[3 - number % 2]]
            one = two[number // 2 % 2 :][:1] if "passes" in metafunc.function.__name__ else two
            rows += [(*where, fault) for where in (everywhere if long else one) if fault.only in (None, where[0])]
        metafunc.parametrize(("name", "mode", "fault"), rows, ids=[f"{a}-{b}-{fault.said}" for a, b, fault in rows])
    elif "seed" in metafunc.fixturenames:
        for seed in range(first, first + (10 if long else 1)):
            rows += [(*where, seed) for where in (everywhere if long else (everywhere[0], everywhere[3]))]
        metafunc.parametrize(("name", "mode", "seed"), rows)


def run(world: World, **options: Any) -> Any:
    return world.run(on_fetch=lambda: world.pass_time(seconds=SECONDS_A_REQUEST), **options)


def wrong(world: World, fault: Fault, *, done: bool = True) -> list[str]:
    """List what is wrong but for what the fault itself has put into the data."""
    found = problems(world, done=done, also_shown=fault.shows)
    return [line for line in found if not (fault.spoils and line.startswith("stale: "))]


def assert_complete_after(world: World, fault: Fault) -> None:
    """Once the fault has ended: all is there, nothing was set aside, and what is published next comes, too."""
    world.run_until_failures_end()
    world.publish("990001-2026")
    world.pass_time(minutes=1)
    world.run()
    assert world.contract("990001-2026")
    assert wrong(world, fault) == []
    assert world.job["suspectWindows"] == []
    if not fault.unheard:
        counted = sum(record.get("requests", 0) for record in world.db.syncRuns.find())
        assert counted == len(world.server.requests), "every request is in the record of a run"
    if fault.spoils:
        forget(world.db, "syncJobs", "syncRuns")
        world.run()
        assert problems(world, also_shown=fault.shows) == []


def assert_waits(world: World, least: float) -> None:
    """After a refusal nothing is asked until it is allowed again."""
    records = list(world.server.requests)
    waits = [(after.when - refused.when).total_seconds() for refused, after in pairwise(records) if refused.fault]
    # MongoDB keeps the pace by its own clock, of which a little has passed meanwhile.
    assert all(wait >= least - 2 for wait in waits), waits


def test_fault_that_lasts(world, fault, mode, connect, monkeypatch, tell):
    tell("lasting fault", f"{world.source.name:<17}{mode:<9}{fault.said}")
    with monkeypatch.context() as patch, fault.happen(Case(world, connect, patch)):
        if fault.stops is None:
            assert run(world).done
            assert wrong(world, fault) == []
        else:
            with pytest.raises(FailRun, match=fault.stops) as stopped:
                run(world)
            assert world.source.title in str(stopped.value)
            assert wrong(world, fault, done=False) == []
        assert_waits(world, fault.waits)
    tell(facts=facts(world))
    assert_complete_after(world, fault)


def test_fault_that_passes(world, fault, mode, connect, monkeypatch, tell):
    """It happens twice, while the runs are short; then one goes through."""
    tell("passing fault", f"{world.source.name:<17}{mode:<9}{fault.said}")
    with monkeypatch.context() as patch, fault.happen(Case(world, connect, patch, times=2)):
        if fault.stops_at_once:
            with pytest.raises(FailRun, match=fault.stops):
                run(world)
        else:
            for _ in range(SHORT_RUNS):
                done = run(world, max_items=1).done
                assert wrong(world, fault, done=done) == []
            assert run(world).done
            assert wrong(world, fault) == []
    tell(facts=facts(world))
    assert_complete_after(world, fault)


def test_all_faults_mixed(world, seed, mode, monkeypatch, tell):
    """About every second request meets one of them, for twenty runs."""
    tell("mixed faults", f"{world.source.name:<17}{mode:<9}seed {seed}")
    monkeypatch.setattr("tender_sync.api.client.READ_SECONDS", 0.1)
    served = [fault for fault in FAULTS if isinstance(fault.happen, Served) and fault.only in (None, world.source.name)]
    for number, fault in enumerate(served):
        limits = {"probability": 0.02, "seed": 1000 * seed + number}
        world.server.faults.add(fault.happen.rule, **limits, **fault.happen.options)
    everything = Fault("all", served[0].happen, spoils=True, shows=(None,))
    budget, failed, done = Random(seed), 0, False
    for _ in range(20):
        try:
            done = run(world, max_items=budget.choice((1, 1, 30, None))).done
        except FailRun:
            failed, done = failed + 1, False
        assert wrong(world, everything, done=done) == []
    met = Counter(record.fault for record in world.server.requests if record.fault)
    world.server.faults.clear()
    tell(
        facts=f"{met.total()} faults of {len(met)} kinds in {len(world.server.requests)} requests, {failed} runs failed"
    )
    assert_complete_after(world, everything)


def facts(world: World) -> str:
    record = world.db.syncRuns.find_one(sort=[("$natural", -1)]) or {}
    return f"{record['outcome']}; {record.get('requests', 0)} requests, {record.get('waitedSeconds', 0)} s waited"
