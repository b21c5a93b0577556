"""Crashes: kill -9 at every step of the page loop and at any instant, and a MongoDB that dies or steps down.

However often it happens, once the backfill is through the database equals that of a run nobody disturbed.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tender_sync.sources import SOURCES
from tender_sync.storage.schema import ensure_schema
from tests.integration.oracle import problems
from tests.integration.world import forget, notices, small
from tests.resilience.worker import ONCE_A_RUN, STEPS, job_of, started
from tests.support.databases import opened
from tools.mongod import REPLICA_SET, Mongod, free_port, running_mongod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.world import World

# What differs by right: keys MongoDB makes, moments of its own clock, counts of what was read twice and thrown away,
# and the size windows would have next, which an extra empty window enlarges.
ASIDE = {"_id", "createdAt", "updatedAt", "lastRunAt", "lastRunFetched", "lastRunErrors", "windowSpanSeconds"}
COUNTS = {"totals", "totalFetched", "runId"}
DATA = ("contracts", "buyers", "rejectedReleases", "syncJobs", "syncStats")


@pytest.fixture(autouse=True)
def short_transactions(client):
    """A killed client's transaction holds its locks until MongoDB ends it: after a minute, where nobody says less."""
    yield from transactions_of(client, 2)


def transactions_of(client: Any, seconds: int) -> Iterator[None]:
    limit = {"setParameter": 1, "transactionLifetimeLimitSeconds": seconds}
    client.admin.command(limit)
    yield
    client.admin.command(limit | {"transactionLifetimeLimitSeconds": 60})


@pytest.fixture
def source(name):
    return small(SOURCES[name])


@pytest.fixture
def world(source, make_world):
    """A world with some odd notices in it."""
    return make_world(source, notices(source, dirty=0.1))


def state(world: World) -> dict[str, Any]:
    """Copy the database, field by field, without what differs by right."""
    buyers = {buyer["_id"]: buyer["orgId"] for buyer in world.db.buyers.find()}
    copied = {}
    for collection in DATA:
        documents = [
            {key: value for key, value in document.items() if key not in ASIDE | COUNTS}
            | ({"buyerId": buyers.get(document["buyerId"])} if collection == "contracts" else {})
            for document in world.db[collection].find()
        ]
        copied[collection] = sorted(documents, key=repr)
    for job in copied["syncJobs"]:
        job["changesToAnnounce"].pop("lastAnnounced", None)  # which run announced them differs by right
    return copied


def undisturbed(world: World) -> dict[str, Any]:
    world.run()
    assert problems(world) == []
    expected = state(world)
    forget(world.db)
    return expected


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each step at both sources, the first two times it comes; in the quick core, once at one source."""
    long, first = metafunc.config.getoption("--long"), metafunc.config.getoption("--seed")
    names = sorted(SOURCES)
    if "step" in metafunc.fixturenames:
        rows = [
            (name, step, nth)
            for number, step in enumerate(STEPS)
            for name in (names if long else [names[number % 2]])
            for nth in ((1,) if step in ONCE_A_RUN else (1, 2) if long else (2,))
        ]
        metafunc.parametrize(("name", "step", "nth"), rows)
    elif "kills" in metafunc.fixturenames:
        metafunc.parametrize(("name", "seed", "kills"), [(name, first, 100 if long else 4) for name in names])
    elif "seed" in metafunc.fixturenames:
        rows = [(name, seed) for seed in range(first, first + (5 if long else 1)) for name in names[: 2 if long else 1]]
        metafunc.parametrize(("name", "seed"), rows)
    elif "name" in metafunc.fixturenames:
        metafunc.parametrize("name", names if long else names[:1])


def test_killed_at_a_step(world, step, nth, mongod, tell):
    tell("kill -9", f"{world.source.name:<17}{step}, time {nth}")
    expected = undisturbed(world)
    with started(job_of(world, mongod.uri, step=step, nth=nth)) as worker:
        assert worker.ended() == "killed"
    assert [line for line in problems(world, done=False) if not in_flight(line)] == []
    world.run_until_done()
    assert state(world) == expected
    assert problems(world) == []


def in_flight(line: str) -> bool:
    """Say whether a problem is that of a run which was killed and has not been taken over yet."""
    return "lease is still held" in line or "never ended" in line


def test_killed_at_any_instant(world, seed, kills, mongod, tell):
    """Backfill after backfill, until so many runs were killed on their way."""
    tell("kill -9", f"{world.source.name:<17}{kills} random instants, seed {seed}")
    expected, random = undisturbed(world), Random(seed)
    killed = backfills = 0
    while killed < kills or backfills == 0:
        forget(world.db)
        outcome = ""
        while outcome != "done":
            with started(job_of(world, mongod.uri)) as worker:
                if killed < kills:
                    # From before the lease to behind the last page: a whole run takes some 0.4 s.
                    worker.process.join(random.uniform(0.02, 0.4))
                    worker.process.kill()
                outcome = worker.ended()
                killed += outcome == "killed"
        backfills += 1
        assert problems(world) == []
        assert state(world) == expected
    tell(facts=f"{killed} killed in {backfills} backfills")


@pytest.fixture
def own_mongod(tmp_path):
    """A MongoDB that may come to harm, in place of everybody's."""
    with running_mongod(tmp_path / "data") as server:
        yield server


@contextmanager
def moved(world: World, address: str, *, select_ms: int = 30_000) -> Iterator[MongoClient]:
    """Give a world another MongoDB, for the time of the block, by a client that waits so long for a server."""
    with opened(address, "worlds", serverSelectionTimeoutMS=select_ms) as world.db:
        ensure_schema(world.db)
        yield world.db.client


def test_mongodb_killed_at_any_instant(world, seed, own_mongod, tell):
    """As by a power cut, and started again."""
    tell("MongoDB", f"{world.source.name:<17}killed at a random instant, seed {seed}")
    expected, random = undisturbed(world), Random(seed)
    with moved(world, own_mongod.uri):
        for _ in range(2):
            with started(job_of(world, own_mongod.uri)) as worker:
                time.sleep(random.uniform(0.05, 0.5))
                own_mongod.kill()
                # What the run would say does not matter: its process ends with its MongoDB.
                worker.process.kill()
            own_mongod.start()
        world.run_until_done()
        assert problems(world) == []
        assert state(world) == expected


def test_primary_that_steps_down(world, name, own_mongod, tell):
    """In the middle of three pages; the same node is elected again."""
    tell("MongoDB", f"{name:<17}primary steps down three times")
    expected = undisturbed(world)
    with moved(world, own_mongod.uri, select_ms=5_000):
        failed = run_while_it_happens(world, expected, lambda: step_down(own_mongod.port, seconds=1))
    tell(facts=f"{failed} of the runs failed")


@pytest.fixture
def three_mongods(tmp_path):
    """A replica set in which another node is elected within seconds; by port."""
    nodes = {port: Mongod(tmp_path / str(port), port) for port in (free_port() for _ in range(3))}
    try:
        for node in nodes.values():
            node.launch()
        hosts = [{"_id": number, "host": f"127.0.0.1:{port}"} for number, port in enumerate(nodes)]
        config = {"_id": REPLICA_SET, "members": hosts, "settings": {"electionTimeoutMillis": 1_000}}
        for port in reversed(nodes):  # the first is asked to begin once the others answer
            with MongoClient("127.0.0.1", port, directConnection=True) as direct:
                direct.admin.command("ping")
        with MongoClient("127.0.0.1", next(iter(nodes)), directConnection=True) as direct:
            direct.admin.command("replSetInitiate", config)
        yield nodes
    finally:
        for node in nodes.values():
            node.kill()


@pytest.mark.long
@pytest.mark.parametrize("how", ["steps down", "is killed"])
def test_primary_of_three_that_is_lost(world, name, how, three_mongods, tell):
    """In the middle of three pages; another node is elected, and the killed one comes back as a secondary."""
    tell("MongoDB", f"{name:<17}primary of three {how} three times")
    hosts, killed = [("127.0.0.1", port) for port in three_mongods], []

    def lose_the_primary() -> None:
        for node in killed:
            node.launch()
        killed.clear()
        primaries.add(client.primary)
        node = three_mongods[client.primary[1]]
        if how == "steps down":
            step_down(node.port, seconds=10)
        else:
            node.kill()
            killed.append(node)

    uri = f"mongodb://{','.join(f'{host}:{port}' for host, port in hosts)}/?replicaSet={REPLICA_SET}"
    expected, primaries = undisturbed(world), set()
    with moved(world, uri) as client:
        failed = run_while_it_happens(world, expected, lose_the_primary)
    assert len(primaries) > 1, "another node took over"
    tell(facts=f"{failed} of the runs failed, {len(primaries)} primaries")


def step_down(port: int, *, seconds: int) -> None:
    """Make a primary give up its part, and not stand for election for so long."""
    with MongoClient("127.0.0.1", port, directConnection=True) as direct:
        direct.admin.command({"replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": 0, "force": True})


def run_while_it_happens(world: World, expected: dict[str, Any], happen: Callable[[], None]) -> int:
    """Read the history while three of its pages meet what happens; return how many runs failed."""
    answer, asked, failed = world.server.api.answer, [], 0

    def answer_after_it(*args: Any, **options: Any) -> Any:
        asked.append(1)
        if len(asked) in (2, 4, 5):
            happen()
        return answer(*args, **options)

    done = False
    with patch.object(world.server.api, "answer", answer_after_it):
        while not done:
            try:
                done = world.run().done
            except PyMongoError:
                failed += 1
                assert failed < 4
    assert len(asked) >= 5
    assert problems(world) == []
    assert state(world) == expected
    return failed
