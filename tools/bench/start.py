"""Start: the cost of parsing our DAG files beyond importing Airflow, and of an hourly run without news."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from tender_sync.pipeline.engine import process_sync_job
from tender_sync.sources import FIND_A_TENDER
from tender_sync.storage.schema import ensure_schema
from tools.bench.figures import ROUNDS, Figure, median_of, timed
from tools.bench.rig import bench_run, fresh_database, mongo, ocds_server
from tools.options import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = "start"
# A DAG of any project first, with a schedule, a parameter and an asset, so that Airflow itself is imported; then ours.
_PARSE = """
import sys, time
from datetime import datetime, timezone
from importlib.util import module_from_spec, spec_from_file_location
from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator, BaseSensorOperator, Param
import airflow.sdk.exceptions
with DAG("any", schedule="@hourly", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), params={"a": Param(1)}):
    BaseOperator(task_id="any", outlets=[AssetAlias("any"), Asset(name="any", uri="any://thing/any")])
for file in sys.argv[1:]:
    began = time.process_time()
    spec = spec_from_file_location("dag_file", file)
    spec.loader.exec_module(module_from_spec(spec))
    print(time.process_time() - began)
"""


def measure() -> Iterator[Figure]:
    """Parse each DAG file in a process of its own; run an hour without news."""
    yield from _parsing()
    with mongo() as client, ocds_server() as hook:
        db = fresh_database(client)

        def run() -> Any:
            ensure_schema(db)
            return process_sync_job(bench_run(db, FIND_A_TENDER, hook))

        run()
        seconds = median_of(timed(run) for _ in range(ROUNDS))
        ask = f"{FIND_A_TENDER.path}?updatedFrom=2026-06-04T00:00:00&updatedTo=2026-06-04T00:00:01&limit=100"
        request = median_of(timed(lambda: hook.run(ask)) for _ in range(ROUNDS))
        yield Figure(PART, "an idle hour's work, connections open", seconds * 1000, "ms", "", "look-back re-read")
        yield Figure(PART, "the same, by one bare request to the same server", seconds / request)


def _parsing() -> Iterator[Figure]:
    files = sorted(str(file) for file in (ROOT / "dags").glob("*.py"))
    rounds: dict[str, list[float]] = {file: [] for file in files}
    with tempfile.TemporaryDirectory(prefix="tender-bench-") as home:
        environment = os.environ | {"AIRFLOW_HOME": home, "PYTHONPATH": str(ROOT / "plugins")}
        for file in files * ROUNDS:
            # A process each, as Airflow's dag processor does it: every file pays for importing tender_sync.
            command = [sys.executable, "-c", _PARSE, file]
            done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
            rounds[file].append(float(done.stdout.split()[-1]))
    for file, parsed in rounds.items():
        name = f"parsing {file.rpartition('/')[2]} beyond importing Airflow"
        yield Figure(PART, name, median_of(parsed) * 1000, "ms of CPU", "<= 50")
