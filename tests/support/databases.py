"""Databases for tests: opened with the product's own options, and Airflow's metadata, made once for all processes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from pymongo.database import Database


def product_database(client: MongoClient[dict[str, Any]], name: str) -> Database[dict[str, Any]]:
    """Open a database with the options that the product opens it with."""
    from tender_sync.connections import DATABASE_OPTIONS  # noqa: PLC0415 - it imports Airflow, which takes seconds

    return client.get_database(name, **DATABASE_OPTIONS)


@contextmanager
def opened(address: str, name: str, **options: Any) -> Iterator[Database[dict[str, Any]]]:
    """Open a database of the MongoDB at an address, by a client of its own, for the time of the block."""
    with MongoClient(address, tz_aware=True, **options) as client:
        yield product_database(client, name)


def metadata_database(folders: pytest.TempPathFactory) -> Path:
    """Return an SQLite file with Airflow's tables; the first process that asks makes it, all others of a run find it.

    It is made in AIRFLOW_HOME, so Airflow's own settings hold for it, and to be copied from where this says.
    """
    shared = folders.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all workers; each has a folder of its own below it
    made = shared / "airflow-metadata.db"
    with _locked(shared / "airflow-metadata.lock"):
        if not made.exists():
            from airflow.utils.db import initdb  # noqa: PLC0415 - heavy, and only the first process needs it

            initdb()
            # Airflow's SQLite keeps what was written last in a file beside it: a copy of the one would lack it.
            with (
                closing(sqlite3.connect(Path(os.environ["AIRFLOW_HOME"], "airflow.db"))) as written,
                closing(sqlite3.connect(made.with_suffix(".new"))) as copy,
            ):
                written.backup(copy)
            made.with_suffix(".new").rename(made)
    return made


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
