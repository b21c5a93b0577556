"""What all tests share: an Airflow home of their own, a real mongod, and the two APIs on a local server."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tools.options import SETTINGS

# A machine at work is slow, not wrong: drawn examples have no deadline (by default one of over 200 ms fails its test).
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parents[1]

# Before anything imports airflow, which reads these once. What is set for other work (a database!) is not used.
for _name in [name for name in os.environ if name.startswith(SETTINGS)]:
    del os.environ[_name]
_HOME = tempfile.TemporaryDirectory(prefix="tender-airflow-")
os.environ.update(
    AIRFLOW_HOME=_HOME.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    NO_PROXY="*",  # all that the tests ask is on this machine
    no_proxy="*",
)

from pymongo import MongoClient  # noqa: E402 - after the environment

from tools.mongod import running_mongod  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from tools.mongod import Mongod


# A run that is told to end, or whose terminal is closed, ends its mongod as Ctrl-C does.
for _number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("resilience")
    group.addoption("--long", action="store_true", help="all of tests/resilience, not only its quick core")
    group.addoption("--seed", type=int, default=1, help="the first seed of what is random in tests/resilience")


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod]:
    with running_mongod() as server:
        yield server


@pytest.fixture(scope="session")
def client(mongod: Mongod) -> Iterator[MongoClient]:
    with MongoClient(mongod.uri, tz_aware=True) as client:
        yield client


@pytest.fixture
def db(client: MongoClient) -> Iterator[Database]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def mongo_connection(mongod: Mongod, db: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Airflow connection to this test's database, in the environment as a person would put it there."""
    connection = {
        "conn_type": "mongo",
        "host": "127.0.0.1",
        "port": mongod.port,
        "schema": db.name,
        "extra": {"replicaSet": mongod.replica_set},
    }
    monkeypatch.setenv("AIRFLOW_CONN_TENDHUNT_MONGO", json.dumps(connection))
    return "tendhunt_mongo"
