"""A whole Airflow at work (scheduler, API server, DAG processor), driven as people drive it: by its API and CLI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import ROOT
from tests.support import waits
from tests.support.databases import opened
from tools.local_json import ask
from tools.mongod import memory
from tools.stack import metadata_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo.database import Database

SECONDS = 180.0
TRIES = 5
ENDED = {"success", "failed"}


@dataclass
class Airflow:
    """A running Airflow: its API as anna the admin sees it, its metadata, and the MongoDB behind its DAGs."""

    address: str
    home: Path
    db: Database[dict[str, Any]]
    mongod_pid: int
    token: str = field(default="", repr=False)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Do one request to Airflow's API and return its JSON."""
        try:
            return ask(method, f"{self.address}{path}", body, token=self.token, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from None

    def login(self) -> None:
        self.token = self.ask("POST", "/auth/token", {"username": "anna", "password": "anna-password"})["access_token"]

    def dag(self, dag_id: str, path: str = "") -> str:
        return f"/api/v2/dags/{dag_id}{path}"

    def pause(self, dag_id: str) -> None:
        """Switch a DAG off, and wait for its runs to end."""
        self.ask("PATCH", self.dag(dag_id), {"is_paused": True})
        for run in self.runs(dag_id):
            self.ended(dag_id, run["dag_run_id"])

    def unpause(self, dag_id: str) -> None:
        self.ask("PATCH", self.dag(dag_id), {"is_paused": False})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Trigger a run by its form, and return its id."""
        run = self.ask("POST", self.dag(dag_id, "/dagRuns"), {"logical_date": None, "conf": conf})
        return str(run["dag_run_id"])

    def first_run(self, dag_id: str) -> str:
        """Return the id of the run that Airflow began by itself."""
        return next(str(run["dag_run_id"]) for run in self.runs(dag_id) if run["run_type"] == "scheduled")

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", self.dag(dag_id, f"/dagRuns/{run_id}"))
        return found

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", self.dag(dag_id, "/dagRuns?limit=100"))["dag_runs"]
        return found

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        found = self.ask("GET", self.dag(dag_id, f"/dagRuns/{run_id}/taskInstances"))["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def ended(self, dag_id: str, run_id: str) -> str:
        """Wait for a run to end, and return how."""
        return str(until(lambda: (s := self.run(dag_id, run_id)["state"]) in ENDED and s, f"{run_id} to end"))

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear these tasks of a run, with all that hangs on them."""
        how = {"dry_run": False, "include_downstream": True, "only_failed": False, "reset_dag_runs": True}
        asked = how | {"dag_run_id": run_id, "task_ids": task_ids}
        self.ask("POST", self.dag(dag_id, "/clearTaskInstances"), asked)

    def command(self, *arguments: str) -> str:
        """Run an `airflow` command to its end, and return what it prints.

        Again when SQLite refused it: who reads in a savepoint and then writes, as Airflow's backfills do, is refused
        at once if another process wrote in between, whatever the timeout. Airflow takes its half-made backfill back.
        """
        metadata = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata_address(self.home.parent)}
        for _ in range(TRIES):
            ran = subprocess.run(  # noqa: S603 - our own interpreter
                [sys.executable, "-m", "airflow", *arguments],
                env=os.environ | {"AIRFLOW_HOME": str(self.home)} | metadata,
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
            if ran.returncode == 0 or "database is locked" not in ran.stderr:
                break
        assert ran.returncode == 0, ran.stderr[-2000:]
        return ran.stdout

    def job(self, dag_id: str) -> dict[str, Any]:
        return self.db.syncJobs.find_one({"source": dag_id.upper()}) or {}

    def record(self, run_id: str) -> dict[str, Any]:
        return self.db.syncRuns.find_one({"runId": run_id}, sort=[("startedAt", -1)]) or {}


def until(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Wait as long as Airflow may take for what a condition tells."""
    return waits.until(condition, what, seconds, every=0.2)


@contextmanager
def served(**settings: str) -> Iterator[Airflow]:
    """Run an Airflow with every DAG paused, before a local OCDS server, for the time of the block."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    # Airflow's metadata are in SQLite here, whose every commit would wait for a disk.
    with tempfile.TemporaryDirectory(prefix="tender-ui-", dir=memory()) as folder:
        command = [sys.executable, "-m", "tools.served_ui", folder, *(f"{k}={v}" for k, v in settings.items())]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        try:
            ready = json.loads(process.stdout.readline())
            assert "failed" not in ready, ready
            with opened(ready["mongo"], ready["database"]) as db:
                airflow = Airflow(ready["address"], Path(folder, "airflow"), db, ready["pid"])
                airflow.login()
                yield airflow
        finally:
            process.terminate()
            process.wait()
