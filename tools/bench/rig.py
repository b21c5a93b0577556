"""What a part measures on: a mongod, the OCDS server as a process of its own, and ready documents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.http.hooks.http import HttpHook
from pymongo import MongoClient

from tender_sync.connections import CLIENT_DEFAULTS, DATABASE_OPTIONS
from tender_sync.identity.buyer_keys import org_id
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.pipeline.run import RunOptions, assemble_run
from tender_sync.pipeline.settings import Settings
from tender_sync.sources import FIND_A_TENDER
from tender_sync.storage.page_commit import Store
from tender_sync.storage.schema import ensure_schema
from tender_sync.storage.sync_jobs import SyncJobs
from tools.mongod import running_mongod
from tools.ocds_server import ServerClock, generate, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from tender_sync.pipeline.run import Run
    from tender_sync.sources.base import Source

START, END = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 4, tzinfo=UTC)
PER_DAY = 1000.0


# Stands at the end of the generated notices; nobody waits for anything.
CLOCK = ServerClock(frozen_at=END)


@contextmanager
def mongo() -> Iterator[MongoClient[dict[str, Any]]]:
    """Run a mongod with its data in memory, away from a busy disk; yields a client with the package's options."""
    options: dict[str, Any] = {**CLIENT_DEFAULTS, "tz_aware": True}
    with running_mongod() as server, MongoClient[dict[str, Any]](server.uri, **options) as client:
        yield client


def fresh_database(client: MongoClient[dict[str, Any]], name: str = "bench") -> Database[dict[str, Any]]:
    """Return an empty database with the package's collections and indexes."""
    client.drop_database(name)
    db = opened(client, name)
    ensure_schema(db)
    return db


def opened(client: MongoClient[dict[str, Any]], name: str = "bench") -> Database[dict[str, Any]]:
    """Return a database with the package's own options (`connections.database`)."""
    return client.get_database(name, **DATABASE_OPTIONS)


def holder(db: Database[dict[str, Any]], source: Source) -> tuple[SyncJobs, Store]:
    """Return the source's job and store, as one run holds them."""
    jobs = SyncJobs(db, source, CLOCK, owner="bench")
    return jobs, Store(db, source, jobs, CLOCK)


def bench_run(db: Database[dict[str, Any]], source: Source, hook: HttpHook, **parts: Any) -> Run:
    """Return a run without pace and without an end; `parts` replace its own."""
    options = RunOptions(owner="bench", run_id="bench", time_budget=timedelta(days=10_000))
    return replace(assemble_run(source, db, hook, Settings(START, 0.0, 1), CLOCK, options), **parts)


@contextmanager
def ocds_server() -> Iterator[HttpHook]:
    """Serve generated notices from another process; yields the hook that asks for them."""
    with tempfile.TemporaryDirectory(prefix="tender-bench-") as folder:
        ready = Path(folder, "ready")
        command = [sys.executable, "-m", "tools.ocds_server", "--ready-file", str(ready), "--per-day", str(PER_DAY)]
        command += ["--start", START.isoformat(), "--end", END.isoformat()]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not ready.exists():
                time.sleep(0.05)
            connection = {"conn_type": "http", "host": ready.read_text().strip()}
            os.environ[f"AIRFLOW_CONN_{FIND_A_TENDER.http_conn_id.upper()}"] = json.dumps(connection)
            hook = HttpHook(method="GET", http_conn_id=FIND_A_TENDER.http_conn_id)
            hook.get_conn()
            yield hook
        finally:
            server.terminate()
            server.wait()


def releases(source: Source) -> list[dict[str, Any]]:
    """Return the notices that the server serves, or those in the folder that RELEASES names."""
    if folder := os.environ.get("RELEASES"):
        found = load(Path(folder))
        return [each.release for each in found if each.source == source.name and isinstance(each.release, dict)]
    return [each.release for each in generate(1, START, END, PER_DAY, sources=[source.name])]


def ready_documents(source: Source) -> list[dict[str, Any]]:
    """Return them as documents of `contracts`, each with a buyer."""
    documents: list[dict[str, Any]] = []
    for release in releases(source):
        contract = map_ocds_to_contract(release, source.name)
        documents.append({**contract, "buyerId": org_id(contract), "createdAt": END, "updatedAt": END})
    return documents
