"""Airflow's metadata database, the DAGs as Airflow parses them, and the worlds of the integration tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.dag_processing.dagbag import DagBag

from tender_sync.sources import SOURCES
from tests.conftest import ROOT
from tests.integration.conftest import connect, make_world, prepared, world_db
from tests.support.connections import MONGO_VARIABLE, mongo_of
from tests.support.databases import metadata_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from tender_sync.sources.base import Source
    from tests.integration.world import World
    from tools.mongod import Mongod

__all__ = ["connect", "make_world", "prepared", "world_db"]  # pytest finds fixtures by being imported


@pytest.fixture(scope="session")
def dagbag() -> DagBag:
    return DagBag(ROOT / "dags")


@pytest.fixture(scope="session")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make Airflow's tables in the home tests/conftest.py set up; return a file with them alone, to be copied."""
    made = metadata_database(tmp_path_factory)
    home = Path(os.environ["AIRFLOW_HOME"], "airflow.db")
    if not home.exists():
        shutil.copyfile(made, home)
    return made


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> Source:
    return SOURCES[request.param]


@pytest.fixture
def world(source: Source, make_world: Callable[..., World], mongod: Mongod, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world of the source as it is, with the connections and settings its DAG needs, and its clock for the tasks."""
    world = make_world(source)
    monkeypatch.setenv(MONGO_VARIABLE, mongo_of(mongod, world.db.name))
    monkeypatch.setenv("BACKFILL_START_DATE", world.start.date().isoformat())
    monkeypatch.setenv("SYNC_PACE_SECONDS", "0")
    for module in ("pipeline.modes", "orchestration.operators"):
        monkeypatch.setattr(f"tender_sync.{module}.SystemClock", lambda: world.clock)
    return world
