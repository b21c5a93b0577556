"""The DAGs that watch over the sources, run whole by `dag.test()`: what they fail on, once, and whom they tell."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from airflow.dag_processing.dagbag import DagBag

from tender_sync.windows import Window
from tests.conftest import ROOT
from tests.integration.oracle import problems


@pytest.fixture
def run(metadata):  # noqa: ARG001 - a fixture cannot be marked to use one
    def run(dag_id: str, **conf: object) -> tuple[str, dict[str, str]]:
        ended = DagBag(ROOT / "dags" / f"{dag_id}.py").dags[dag_id].test(run_conf=conf or None)
        return str(ended.state), {each.task_id: str(each.state) for each in ended.get_task_instances()}

    return run


@pytest.fixture
def told(monkeypatch, tmp_path):
    """What the notifier has written so far."""
    file = tmp_path / "told.jsonl"
    monkeypatch.setenv("TENDER_SYNC_NOTIFICATIONS", str(file))
    return lambda: [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_stale_source_fails_its_check_once_and_notifies_once(run, told, world):
    world.run()
    check = f"check_{world.source.dag_id}"
    assert run("freshness")[1][check] == "success"
    world.pass_time(hours=5)
    state, tasks = run("freshness")
    assert (state, tasks[check]) == ("failed", "failed")
    assert set(tasks.values()) == {"failed", "skipped"}, "the other source never ran"
    (line,) = told()
    assert (line["dag"], line["task"]) == ("freshness", check)
    assert f"{world.source.title} is stale" in line["message"]
    assert "for 5.0 hours" in line["message"]
    for _ in range(2):
        world.pass_time(hours=1)
        assert run("freshness")[1][check] == "skipped"
    assert len(told()) == 1


def test_audit_repairs_then_fails_and_notifies_and_is_green_when_repeated(run, told, world):
    world.run()
    lost = world.lose(Window(world.start, world.start + timedelta(days=1)))
    task = f"audit_{world.source.dag_id}"
    state, tasks = run("completeness_audit", source=world.source.name)
    assert (state, tasks[task]) == ("failed", "failed")
    assert set(tasks.values()) == {"failed", "skipped"}
    assert problems(world) == []
    assert [f"{len(lost)} notices were missing" in line["message"] for line in told()] == [True]
    assert run("completeness_audit", source=world.source.name)[1][task] == "success"
    assert len(told()) == 1
