"""Every source goes through the same tests: a small world of each, as `world`."""

from __future__ import annotations

import base64
import secrets
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import AutoReconnect

from tender_sync.pipeline.modes import audit_source, run_source
from tender_sync.pipeline.run import RunOptions
from tender_sync.sources import SOURCES
from tender_sync.storage.schema import ensure_schema
from tender_sync.storage.sync_jobs import SyncJobs
from tests.integration.world import NOW, START, World, forget, notices, serve, small
from tests.support.connections import MONGO_VARIABLE, http, http_variable, mongo_of
from tests.support.databases import product_database
from tools.mongo_init import Settings, ensure
from tools.mongod import free_port, mongod_binary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from pymongo import MongoClient
    from pymongo.database import Database

    from tender_sync.sources.base import Source
    from tools.mongod import Mongod

PASSWORD = "s3cret/pass:w@rd"  # noqa: S105 - made up, and looked for in messages


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> Source:
    return small(SOURCES[request.param])


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Source, str], None]:
    """Point a source's Airflow connection to an address."""

    def connect(source: Source, url: str) -> None:
        monkeypatch.setenv(http_variable(source), http(url))

    return connect


@pytest.fixture(scope="session")
def prepared(client: MongoClient[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    """One database with its indexes for all worlds: making them takes longer than most tests."""
    database = product_database(client, "worlds")
    ensure_schema(database)
    yield database
    client.drop_database(database.name)


@pytest.fixture
def world_db(prepared: Database[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    yield prepared
    forget(prepared)


@pytest.fixture
def make_world(
    world_db: Database[dict[str, Any]], connect: Callable[[Source, str], None]
) -> Iterator[Callable[..., World]]:
    """Make a world of a source: its generated notices, or those given, on a server whose clock stands still."""
    with ExitStack() as servers:

        def make(source: Source, publications: Any = None, *, now: datetime = NOW) -> World:
            published = notices(source, now=now) if publications is None else publications
            server = servers.enter_context(serve(published, now))
            connect(source, server.url)
            return World(source, server, world_db, start=now - (NOW - START))

        yield make


@pytest.fixture
def world(source: Source, make_world: Callable[..., World]) -> World:
    return make_world(source)


@pytest.fixture
def mongo_to_world(world: World, mongod: Mongod, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the Airflow connection to MongoDB at the world's database."""
    monkeypatch.setenv(MONGO_VARIABLE, mongo_of(mongod, world.db.name))


@pytest.fixture
def at_work(world, mongo_to_world, monkeypatch):  # noqa: ARG001 - the connection is what it is for
    """The world, with its clock and settings for what runs through Airflow connections."""
    monkeypatch.setattr("tender_sync.pipeline.modes.SystemClock", lambda: world.clock)
    monkeypatch.setenv("SYNC_PACE_SECONDS", "0")
    monkeypatch.setenv("BACKFILL_START_DATE", world.start.date().isoformat())
    return world


@pytest.fixture
def run(at_work):
    def run(mode: str = "normal", run_id: str | None = None, **params: Any) -> dict[str, Any]:
        asked = {"mode": mode, "time_budget_minutes": 59, **params}
        options = RunOptions(owner=f"dag/{mode}/sync", run_id=run_id or mode)
        return run_source(at_work.source, asked, options)

    return run


@pytest.fixture
def audit(at_work):
    def audit(**params: Any) -> dict[str, Any]:
        asked = {"time_budget_minutes": 25, **params}
        return audit_source(at_work.source, asked, RunOptions(owner="audit/run/task", run_id="audit"))

    return audit


@pytest.fixture
def fail_at_the_end(monkeypatch):
    """Let MongoDB fail, once, when a run is to be ended."""
    end_run, failed = SyncJobs.end_run, []

    def fail(self: Any, *outcome: Any, **facts: Any) -> Any:
        if not failed:
            failed.append(outcome)
            raise AutoReconnect("the primary is gone")
        return end_run(self, *outcome, **facts)

    return lambda: monkeypatch.setattr(SyncJobs, "end_run", fail)


@pytest.fixture
def empty_world(source: Source, make_world: Callable[..., World]) -> World:
    """A world into which a test publishes what it needs."""
    return make_world(source, ())


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A replica set that asks who one is: with a key file, a root user, and the application's user of one database."""
    folder = tmp_path_factory.mktemp("guarded")
    keyfile = folder / "keyfile"
    keyfile.write_bytes(base64.b64encode(secrets.token_bytes(300)))
    keyfile.chmod(0o400)
    address = f"127.0.0.1:{free_port()}"
    command = [mongod_binary(), "--dbpath", folder, "--replSet", "rs0", "--keyFile", keyfile, "--oplogSize", "16"]
    command += ["--bind_ip", "127.0.0.1", "--port", address.split(":")[1], "--logpath", folder / "log"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - a fixed argument list
        settings = Settings(root_password="root" + PASSWORD, app_password=PASSWORD, member=address, address=address)
        ensure(settings)
        yield settings
        process.terminate()
