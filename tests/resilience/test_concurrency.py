"""Never two writers: runs started together, a run stopped past its lease and woken up, a task cleared while it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tender_sync.sources import SOURCES
from tests.conftest import ROOT
from tests.integration.oracle import problems
from tests.integration.world import dump, small
from tests.resilience.test_crashes import short_transactions
from tests.resilience.worker import job_of, started
from tests.support.connections import MONGO_VARIABLE, mongo_of
from tests.support.waits import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.world import World

__all__ = ["short_transactions"]  # a transaction of a stopped process holds its locks, too


@pytest.fixture
def source(name):
    return small(SOURCES[name])


@pytest.fixture
def world(source, make_world):
    return make_world(source)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = sorted(SOURCES)
    if "step" in metafunc.fixturenames:
        steps = ("after the request", "the transaction's last write", "before the commit", "after the commit")
        rows = [(name, step) for step in steps for name in names]
        quick = [(names[0], steps[0]), (names[1], steps[1])]
        metafunc.parametrize(("name", "step"), rows if metafunc.config.getoption("--long") else quick)
    elif "name" in metafunc.fixturenames:
        metafunc.parametrize("name", names)


@contextmanager
def watched(world: World) -> Iterator[None]:
    """Assert of everything that happens to the job meanwhile: watermark and windows only go forward.

    Inside a window a page may come again, where the window is read again in halves.
    """
    with world.db.syncJobs.watch() as changes:
        yield
        marks, starts = [], []
        while (change := changes.try_next()) is not None:
            fields = (change.get("updateDescription") or {}).get("updatedFields", {})
            if fields.get("lastSyncedDate"):
                marks.append(fields["lastSyncedDate"])
            start = (fields.get("window") or {}).get("from") or fields.get("window.from")
            if start:
                starts.append(start)
        assert len(marks) > 1
        assert len(starts) > 1
        assert marks == sorted(marks), "the watermark went back"
        assert starts == sorted(starts), "the windows went back"


def at_request(world: World, patch: pytest.MonkeyPatch, number: int, do: Callable[[], None]) -> None:
    """Let something happen while the server is answering its n-th request."""
    answer, asked, lock = world.server.api.answer, [], threading.Lock()

    def answering(*args: Any, **options: Any) -> Any:
        with lock:
            asked.append(1)
            mine = len(asked)
        if mine == number:
            do()
        return answer(*args, **options)

    patch.setattr(world.server.api, "answer", answering)


def test_runs_started_together(world, mongod, monkeypatch, tell):
    """Three processes at once: one works, the others are skipped and name it; the server is asked by one only."""
    tell("concurrency", f"{world.source.name:<17}three processes started together")
    owners = ["dag/scheduled/sync", "dag/manual/sync", "dag/test/sync"]
    asked, three = [], threading.Event()

    # The first page comes when all three have said what they do.
    at_request(world, monkeypatch, 1, lambda: three.wait(60) or asked.append("too late"))
    with watched(world), ExitStack() as stack:
        workers = {owner: stack.enter_context(started(job_of(world, mongod.uri, owner=owner))) for owner in owners}
        said: dict[str, str] = {}

        def two_have_ended() -> bool:
            for owner, worker in workers.items():
                if owner not in said and worker.told.poll():
                    said[owner] = worker.ended()
            return len(said) == 2

        until(two_have_ended, "two of three to end")
        three.set()
        (holder,) = set(owners) - set(said)
        assert workers[holder].ended() == "done"
    assert asked == []
    for sentence in said.values():
        assert sentence.startswith("skipped: ")
        assert holder in sentence
    assert [run["owner"] for run in world.db.syncRuns.find()] == [holder]
    assert problems(world) == []
    counted = sum(run["requests"] for run in world.db.syncRuns.find())
    assert counted == len(world.server.requests)


def test_run_stopped_past_its_lease_and_woken_up(world, step, mongod, tell):
    """SIGSTOP in the middle of its second page; another run takes over and ends; SIGCONT: nothing more is written."""
    tell("concurrency", f"{world.source.name:<17}stopped {step}, woken up after its lease")
    options = {"step": step, "nth": 2, "signal": signal.SIGSTOP, "lease_seconds": 1}
    with watched(world), started(job_of(world, mongod.uri, owner="dag/stopped/sync", **options)) as sleeper:
        await_stop(sleeper.pid)
        time.sleep(1.1)  # the lease, by MongoDB's own clock
        assert world.run(owner="dag/second/sync").done
        assert problems(world) == []
        before = dump(world.db)
        sleeper.send(signal.SIGCONT)
        said = sleeper.ended()
    assert said.startswith("skipped: "), said
    assert "taken over" in said
    assert dump(world.db) == before
    assert world.db.syncRuns.find_one({"owner": "dag/stopped/sync"})["outcome"] == "died"


def await_stop(pid: int) -> None:
    """Wait until a process has stopped itself."""
    state = Path(f"/proc/{pid}/stat")
    until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "the process to stop", every=0.02)


def test_task_cleared_while_it_runs(world, mongod, monkeypatch, tell):
    """Airflow starts it anew under the same name while its first process is still fetching its third page."""
    tell("concurrency", f"{world.source.name:<17}task cleared while running")
    second: list[str] = []

    def clear() -> None:
        with started(job_of(world, mongod.uri)) as again:
            second.append(again.ended())

    at_request(world, monkeypatch, 3, clear)
    with watched(world), started(job_of(world, mongod.uri)) as first:
        said = first.ended()
    assert second == ["done"]
    assert said.startswith("skipped: ")
    assert "taken over" in said
    assert problems(world) == []
    assert sorted(run["outcome"] for run in world.db.syncRuns.find()) == ["died", "done"]


@pytest.mark.long
@pytest.mark.usefixtures("metadata")
def test_airflow_dags_test_beside_two_processes(name, make_world, mongod, monkeypatch, tell):
    """`airflow dags test` heeds no pool and no limit of runs: only the lease keeps it out. It skips and exits 0."""
    tell("concurrency", f"{name:<17}two processes and `airflow dags test`")
    world = make_world(SOURCES[name], now=datetime.now(UTC).replace(microsecond=0))
    all_there = threading.Event()
    at_request(world, monkeypatch, 1, lambda: all_there.wait(300))
    environment = os.environ | {
        MONGO_VARIABLE: mongo_of(mongod, world.db.name),
        "BACKFILL_START_DATE": world.start.date().isoformat(),
        "SYNC_PACE_SECONDS": "0",
    }
    command = [sys.executable, "-m", "airflow", "dags", "test", world.source.dag_id]
    with started(job_of(world, mongod.uri, owner="dag/first/sync")) as first:
        until(lambda: world.job.get("lease"), "a run that takes the lease")
        with started(job_of(world, mongod.uri, owner="dag/second/sync")) as second:
            tested = subprocess.run(  # noqa: S603 - a fixed command
                command,
                env=os.environ | environment,
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
            assert second.ended().startswith("skipped: ")
        all_there.set()
        assert first.ended() == "done"
    assert tested.returncode == 0, tested.stderr[-2000:]
    assert "already being synced by dag/first/sync" in tested.stdout + tested.stderr
    assert [run["owner"] for run in world.db.syncRuns.find()] == ["dag/first/sync"]
    assert problems(world) == []
