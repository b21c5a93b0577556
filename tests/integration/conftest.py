"""Every source goes through the same tests: a small world of each, as `world`."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tender_sync.schema import ensure_schema
from tender_sync.sources import SOURCES
from tests.integration.world import NOW, START, World, forget, notices, serve, small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from pymongo import MongoClient
    from pymongo.database import Database

    from tender_sync.sources import Source
    from tools.mongod import Mongod


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> Source:
    return small(SOURCES[request.param])


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Source, str], None]:
    """Point a source's Airflow connection to an address."""

    def set_connection(source: Source, url: str) -> None:
        variable = f"AIRFLOW_CONN_{source.http_conn_id.upper()}"
        monkeypatch.setenv(variable, json.dumps({"conn_type": "http", "host": url}))

    return set_connection


@pytest.fixture(scope="session")
def prepared(client: MongoClient[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    """One database with its indexes for all worlds: making them takes longer than most tests."""
    database = client["worlds"]
    ensure_schema(database)
    yield database
    client.drop_database(database)


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
    mongo = {"host": "127.0.0.1", "port": mongod.port, "extra": {"replicaSet": mongod.replica_set}}
    connection = {"conn_type": "mongo", "schema": world.db.name, **mongo}
    monkeypatch.setenv("AIRFLOW_CONN_TENDHUNT_MONGO", json.dumps(connection))


@pytest.fixture
def empty_world(source: Source, make_world: Callable[..., World]) -> World:
    """A world into which a test publishes what it needs."""
    return make_world(source, ())
