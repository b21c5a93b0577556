"""What all tests share: an Airflow home of their own, a real mongod, and the two APIs on a local server."""

from __future__ import annotations

import os
import signal
import tempfile
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tools.options import SETTINGS

# A machine at work is slow, not wrong: drawn examples have no deadline (by default one of over 200 ms fails its test).
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROOT = Path(__file__).resolve().parents[1]
SLOW_FOLDERS = {"airflow", "browser", "resilience"}

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

from tender_sync.sources import MONGO_CONN_ID, SOURCES  # noqa: E402
from tests.support.connections import MONGO_VARIABLE, mongo_of  # noqa: E402
from tests.support.databases import product_database  # noqa: E402
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test` leaves out: three folders, and of most tests that run for each source, all but one run."""
    for item in items:
        if item.path.relative_to(ROOT / "tests").parts[0] in SLOW_FOLDERS or _is_other_source(item):
            item.add_marker("slow")


def _is_other_source(item: pytest.Item) -> bool:
    """Say whether this is a test with a source that is not the test's turn; which is, the rest of its name decides.

    Half of the tests have one source and half the other. Those marked `each_source` test what differs between them.
    """
    sources = sorted(SOURCES)
    name = getattr(item, "callspec", None) and item.callspec.params.get("source")
    if name not in sources or item.get_closest_marker("each_source"):
        return False
    rest = item.nodeid.replace(name, "")
    return name != sources[zlib.crc32(rest.encode()) % len(sources)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run of which every test was skipped: it has shown nothing. Pytest itself fails one that found no test."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    executed = reporter and any(reporter.stats.get(outcome) for outcome in ("passed", "failed", "xfailed", "xpassed"))
    on_a_worker = hasattr(session.config, "workerinput")
    if exitstatus == pytest.ExitCode.OK and not (executed or on_a_worker or session.config.option.collectonly):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


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
    """A database of this test, opened with the product's own options."""
    database = product_database(client, f"test_{uuid.uuid4().hex[:12]}")
    yield database
    client.drop_database(database.name)


@pytest.fixture
def mongo_connection(mongod: Mongod, db: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Airflow connection to this test's database, in the environment as a person would put it there."""
    monkeypatch.setenv(MONGO_VARIABLE, mongo_of(mongod, db.name))
    return MONGO_CONN_ID
