"""What a person types: `airflow dags test`, with nothing but three connections in the environment, and `make demo`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tender_sync.sources import FIND_A_TENDER
from tests.conftest import ROOT
from tests.integration.oracle import problems
from tests.support.connections import MONGO_VARIABLE, mongo_of

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 240
pytestmark = pytest.mark.slow  # a minute of starting Airflow's command; tests/dags/test_dag_runs.py runs the same DAGs


@pytest.fixture
def airflow(tmp_path, metadata, mongod, make_world, monkeypatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run an `airflow` command in a home of its own; `airflow.world` is what its connections lead to."""
    world = make_world(FIND_A_TENDER, now=datetime.now(UTC).replace(microsecond=0))
    monkeypatch.setenv(MONGO_VARIABLE, mongo_of(mongod, world.db.name))
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - a fixed program
            [sys.executable, "-m", "airflow", *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    run.world = world
    shutil.copyfile(metadata, tmp_path / "airflow.db")
    return run


def test_dags_test_does_one_run_and_its_exit_code_tells_a_failure(airflow):
    world = airflow.world
    settings = {"BACKFILL_START_DATE": world.start.isoformat(), "SYNC_PACE_SECONDS": "0"}
    bounded = airflow("dags", "test", "find_a_tender", "--conf", '{"max_items_per_run": 1}', **settings)
    assert bounded.returncode == 0, bounded.stdout
    assert world.db.syncRuns.find_one()["outcome"] == "item budget spent"
    failing = airflow("dags", "test", "find_a_tender", BACKFILL_START_DATE="the beginning")
    assert failing.returncode == 1, failing.stdout
    assert "BACKFILL_START_DATE is 'the beginning'; expected a date such as 2021-01-01" in failing.stdout
    rest = airflow("dags", "test", "find_a_tender", **settings)
    assert rest.returncode == 0, rest.stdout
    assert problems(world) == []


class Demo:
    """`python -m tools.demo` in a small world, as `make demo` starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        options = ("--data", str(folder), "--days", "2", "--per-day", "60", "--budget", "50")
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tools.demo", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        self.said = ""

    def read_until(self, words: str) -> None:
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}, but:\n{self.said}")

    def end(self) -> int:
        self.said += self.process.communicate(timeout=SECONDS)[0]
        return self.process.returncode

    def left_running(self) -> list[str]:
        """List the processes that have the demo's folder in their command line or environment."""
        marks = [entry / name for entry in Path("/proc").iterdir() if entry.name.isdigit() for name in _TELLING]
        return [str(mark) for mark in marks if str(self.folder).encode() in _content(mark)]


_TELLING = ("cmdline", "environ")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # it has just ended, or is another user's


def test_demo_that_is_interrupted_leaves_nothing_running_and_the_next_one_goes_on(tmp_path):
    first = Demo(tmp_path)
    first.read_until("Airflow is starting")
    assert first.left_running(), "or the look at the end proves nothing"
    first.process.send_signal(signal.SIGINT)
    assert first.end() == 128 + signal.SIGINT, first.said
    assert "the data stay" in first.said
    assert first.left_running() == []

    second = Demo(tmp_path)
    assert second.end() == 0, second.said
    for said in ("backfill", "new notices are published", "Find a Tender     yes: syncing", "nothing is left running"):
        assert said in second.said
    assert second.left_running() == []

    third = Demo(tmp_path)
    third.read_until("new notices are published")
    assert "backfill" not in third.said, "it went on where the second ended"
    assert third.end() == 0, third.said
