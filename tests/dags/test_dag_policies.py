"""The rules for every DAG of this package; each failure says how to correct it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from airflow.dag_processing.dagbag import DagBag

from tender_sync.sources import SOURCES
from tests.conftest import ROOT

FILES = sorted((ROOT / "dags").glob("*.py"))
# Only a running task needs these. Each would make every parse of every DAG file slower by a part of a second.
HEAVY = (
    "pymongo",
    "bson",
    "tenacity",
    "airflow.providers.mongo.hooks",
    "airflow.providers.http",
    "tender_sync.pipeline.modes",
)
# Beyond importing Airflow; a quiet machine needs a tenth of it.
PARSE_SECONDS = 0.5


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def dag(request, dagbag):
    dag = dagbag.dags.get(request.param.stem)
    assert dag, f"{request.param.name} makes no DAG named {request.param.stem}: call the file as its DAG, one a file"
    return dag


def test_no_file_fails_to_import(dagbag):
    assert dagbag.import_errors == {}, "correct these files: Airflow shows none of their DAGs"
    assert len(dagbag.dags) == len(FILES), "one DAG a file, named as its file"


def test_dag_says_what_it_is(dag):
    assert dag.doc_md, "pass doc_md=__doc__, or let the factory write it: the UI shows it"
    assert dag.description, "give the DAG a description: the list of DAGs shows it"
    source = next(file for file in FILES if file.stem == dag.dag_id).read_text()
    assert source.startswith(f'"""{dag.doc_md.strip()[:20]}'), "doc_md must begin as the file's docstring does"
    assert "tendhunt" in dag.tags, "add the tag 'tendhunt', by which people filter the list of DAGs"


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_documentation_of_a_sources_dag_is_made_of_its_source(dagbag, source):
    doc = dagbag.dags[source.dag_id].doc_md
    for fact in (source.title, f"from {source.history_start:%Y-%m-%d}", f'{{source: "{source.name}"}}'):
        assert fact in doc, "the factory in orchestration/dags.py must write it from the source"
    assert "28 hours for each million releases, at 12 requests in 121 seconds" in " ".join(doc.split())


def test_dag_runs_once_at_a_time_and_never_catches_up(dag):
    assert dag.catchup is False, "set catchup=False: a run brings in all that is new, so missed ones need no repeating"
    assert dag.max_active_runs == 1, "set max_active_runs=1: a second run would only wait for the first one's lease"
    assert dag.start_date is None or dag.start_date.tzinfo, "give start_date a time zone"


def test_tasks_can_fail_and_are_ended(dag):
    for task in dag.tasks:
        name = f"task {task.task_id}"
        assert task.owner == "tendhunt-data", f"{name}: set owner to 'tendhunt-data' in default_args"
        assert timedelta() < task.execution_timeout <= timedelta(hours=2), f"{name}: set an execution_timeout"
        assert task.pool == "default_pool", f"{name}: use no pool; a task in a pool that is not there never starts"
        assert task.trigger_rule == "all_success", f"{name}: keep all_success, or a failure may end in a green run"
        if task.retries:
            assert task.retry_exponential_backoff, f"{name}: set retry_exponential_backoff"
            assert task.retry_delay >= timedelta(seconds=30), f"{name}: wait at least 30 s before a retry"
            assert task.max_retry_delay <= timedelta(minutes=15), f"{name}: set a max_retry_delay of 15 minutes at most"


def test_params_explain_themselves(dag):
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema.get("title"), f"give the Param {name} a title: the trigger form shows it"
        assert param.schema.get("type"), f"give the Param {name} a type: the form refuses what does not fit"
        assert param.description, f"give the Param {name} a description: the trigger form shows it"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_parsing_reads_nothing_from_outside(file, monkeypatch):
    """Parsed without network, connections and variables of Airflow."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a DAG file talks to the network while it is parsed: move that into a task")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("airflow.sdk.Connection.get", refuse)
    monkeypatch.setattr("airflow.sdk.Variable.get", refuse)
    began = time.perf_counter()
    assert DagBag(file).import_errors == {}
    seconds = time.perf_counter() - began
    assert seconds < PARSE_SECONDS, f"parsing {file.name} takes {seconds:.2f} s: import what a task needs inside it"


def test_parsing_imports_nothing_heavy():
    """In its own process: this one has imported everything."""
    code = f"""
import runpy, sys
import airflow.sdk
from airflow.sdk import DAG, Asset, AssetAlias, BaseOperator, BaseSensorOperator, Param
before = set(sys.modules)
for file in {[str(file) for file in FILES]}:
    runpy.run_path(file)
print(*sorted(set(sys.modules) - before))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    loaded = ran.stdout.split("\n")[-2].split()
    assert "tender_sync.orchestration.dags" in loaded
    heavy = [name for name in loaded if name.startswith(HEAVY)]
    assert heavy == [], "import these inside the operator's execute, not at the top of a module the DAG files import"
