"""Runs of the engine in processes of their own, which can be killed or stopped, at once or at a step of their choice.

They are forked from one process that has Airflow imported already, so that each costs milliseconds, not seconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pymongo.client_session import ClientSession

from tender_sync import windows
from tender_sync.api import client as api_client
from tender_sync.api.client import PageClient
from tender_sync.errors import SkipRun
from tender_sync.pipeline import engine
from tender_sync.storage import lease
from tender_sync.storage.contracts import Contracts
from tender_sync.storage.lease import Lease
from tender_sync.storage.sync_jobs import SyncJobs
from tests.conftest import ROOT
from tests.integration.world import World
from tests.support.connections import http, http_variable
from tests.support.databases import opened
from tools.ocds_server import ServerClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from tender_sync.sources.base import Source

# step → what is called there, and whether the signal comes before the call or after it.
STEPS: dict[str, tuple[Any, str, str]] = {
    "taking the lease": (SyncJobs, "_take_lease", "after"),
    "before the request": (PageClient, "_get", "before"),
    "after the request": (PageClient, "_get", "after"),
    "in mapping": (engine, "map_ocds_to_contract", "before"),
    "the transaction's first write": (Contracts, "upsert_contracts", "after"),
    "the transaction's last write": (SyncJobs, "update_sync_progress", "after"),
    "before the commit": (ClientSession, "commit_transaction", "before"),
    "after the commit": (ClientSession, "commit_transaction", "after"),
    "at window close": (windows, "close_window", "after"),
    "before lease renewal": (Lease, "renew", "before"),
    "after lease renewal": (Lease, "renew", "after"),
    "before the transition": (SyncJobs, "mark_sync_complete", "before"),
    "after the transition": (SyncJobs, "mark_sync_complete", "after"),
    "before the run's end": (SyncJobs, "end_run", "before"),
    "after the run's end": (SyncJobs, "end_run", "after"),
}
ONCE_A_RUN = {name for name in STEPS if name.startswith("taking") or name.endswith(("transition", "end"))}


@dataclass(frozen=True)
class Job:
    """What a process is to do: one run of `source`; at the `nth` time it comes to `step` it sends itself `signal`."""

    source: Source
    mongo: str
    database: str
    url: str
    start: datetime
    now: datetime
    owner: str = "dag/run/sync"
    step: str | None = None
    nth: int = 1
    signal: signal.Signals = signal.SIGKILL
    lease_seconds: float = 300


@dataclass
class Worker:
    """A process at work; `ended` waits for it and gives how it ended: done, skipped (with the sentence) or killed."""

    process: BaseProcess
    told: Connection

    @property
    def pid(self) -> int:
        pid = self.process.pid
        assert pid is not None
        return pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        if self.process.is_alive():
            os.kill(self.pid, number)

    def ended(self, seconds: float = 300) -> str:
        """Wait for its end."""
        self.process.join(seconds)
        assert not self.process.is_alive(), f"still at work after {seconds} s"
        if self.process.exitcode == -signal.SIGKILL:
            return "killed"
        assert self.told.poll(), f"ended with {self.process.exitcode} and said nothing"
        return str(self.told.recv())


def job_of(world: World, mongo: str, **options: Any) -> Job:
    """Make the job of one run in a world."""
    return Job(world.source, mongo, world.db.name, world.server.url, world.start, world.clock.now(), **options)


@contextmanager
def started(job: Job) -> Iterator[Worker]:
    """Start a process for the block; nothing of it is left afterwards."""
    # The process that forks imports this module before it is told the path: Python 3.11 finds it by this only.
    os.environ["PYTHONPATH"] = os.pathsep.join((str(ROOT / "plugins"), str(ROOT)))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    told, tell = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(job, tell), daemon=True)
    process.start()
    tell.close()
    try:
        yield Worker(process, told)
    finally:
        process.kill()
        process.join()


def work(job: Job, tell: Connection) -> None:
    """Do one run, in the process made for it."""
    os.environ[http_variable(job.source)] = http(job.url)
    lease.LEASE = timedelta(seconds=job.lease_seconds)
    api_client.READ_SECONDS = 600  # a test may keep it waiting for an answer
    if job.step is not None:
        _interrupt(job)
    with opened(job.mongo, job.database, maxPoolSize=2, serverSelectionTimeoutMS=5_000) as db:
        server: Any = SimpleNamespace(clock=ServerClock(frozen_at=job.now))
        world = World(job.source, server, db, start=job.start)
        try:
            tell.send(world.run(owner=job.owner).outcome)
        except SkipRun as skipped:
            tell.send(f"skipped: {skipped}")


def _interrupt(job: Job) -> None:
    place, name, when = STEPS[job.step or ""]
    original, calls = getattr(place, name), 0

    def interrupted(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" and calls == job.nth:
            os.kill(os.getpid(), job.signal)
        result = original(*args, **options)
        if when == "after" and calls == job.nth:
            os.kill(os.getpid(), job.signal)
        return result

    _replace(place, name, interrupted)


def _replace(place: Any, name: str, by: Callable[..., Any]) -> None:
    setattr(place, name, by)
    # Modules hold the functions of `windows` by name.
    if hasattr(engine, name) and place is windows:
        setattr(engine, name, by)
