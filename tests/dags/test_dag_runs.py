"""Both DAGs, run whole: `dag.test()` over a real server, a real MongoDB and Airflow's own metadata database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException

from tender_sync.errors import AlertOperator, FailRun
from tender_sync.pipeline.engine import Walk
from tender_sync.pipeline.modes import audit_source
from tender_sync.pipeline.run import RunOptions
from tender_sync.run_outcome import Outcome
from tender_sync.windows import TimeRange
from tests.conftest import ROOT
from tests.integration.oracle import problems

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = {"sync", "backfill_completed", "recount_buyers", "announce_transition"}


@dataclass
class Ended:
    """How a DAG run ended: its state, its tasks', the asset events it left, by asset name, what `sync` returned."""

    run_id: str
    state: str
    tasks: dict[str, str]
    events: dict[str, dict[str, Any]]
    returned: Any


@pytest.fixture
def dag(source):
    return parse(source)


def parse(source):
    """Give the DAG as Airflow would before each run: a run renders templates into its tasks."""
    return DagBag(ROOT / "dags" / f"{source.dag_id}.py").dags[source.dag_id]


@pytest.fixture
def run_dag(metadata, source) -> Callable[..., Ended]:  # noqa: ARG001 - a fixture cannot be marked to use one
    from airflow.models.asset import AssetEvent, AssetModel  # noqa: PLC0415, TID251 - the metadata database's tables
    from airflow.utils.session import create_session  # noqa: PLC0415 - after initdb

    def run(*, retries: int | None = None, **conf: Any) -> Ended:
        dag = parse(source)
        for task in dag.tasks:
            # A retry's delay is really waited for.
            task.retries = task.retries if retries is None else retries
        ended = dag.test(run_conf=conf or None)
        with create_session() as session:
            found = (
                session.query(AssetModel.name, AssetEvent.extra)
                .join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
                .filter(AssetEvent.source_run_id == ended.run_id, AssetEvent.source_dag_id == source.dag_id)
            )
            events = dict(found.all())
        instances = {each.task_id: each for each in ended.get_task_instances()}
        tasks = {task_id: str(each.state) for task_id, each in instances.items()}
        returned = instances["sync"].xcom_pull(task_ids="sync")
        return Ended(ended.run_id, str(ended.state), tasks, events, returned)

    return run


def test_first_run_backfills_and_announces_later_ones_sync(run_dag, world, source):
    contracts, transition = f"{source.dag_id}_contracts", f"{source.dag_id}_backfilled"

    first = run_dag()
    assert first.state == "success"
    assert first.tasks == dict.fromkeys(ALL, "success")
    assert problems(world) == []
    count = world.db.contracts.count_documents({})
    assert first.events == {contracts: {"created": count, "updated": 0}, transition: {"source": source.name}}
    assert world.job["transitionAnnouncedBy"] == first.run_id
    assert world.db.syncRuns.find_one()["owner"] == f"{source.dag_id}/{first.run_id}/sync"

    world.pass_time(minutes=10)
    nothing_new = run_dag()
    assert nothing_new.state == "success"
    assert nothing_new.tasks == dict.fromkeys(ALL, "skipped") | {"sync": "success"}
    assert nothing_new.events == {}

    world.publish("990001-2026")
    world.pass_time(minutes=10)
    something_new = run_dag()
    assert something_new.events == {contracts: {"created": 1, "updated": 0}}
    assert something_new.tasks == nothing_new.tasks
    assert problems(world) == []


def test_one_run_after_a_week_of_pause_brings_in_the_whole_week(run_dag, world):
    run_dag()
    for day in range(7):
        world.pass_time(days=1)
        world.publish(f"99000{day}-2026")
    world.pass_time(minutes=10)
    after = run_dag()
    assert after.tasks["sync"] == "success"
    assert after.returned["created"] == 7
    assert problems(world) == []


def test_budget_from_the_trigger_form_ends_a_run_in_order(run_dag, world):
    first = run_dag(max_items_per_run=1)
    assert first.state == "success"
    assert first.tasks == dict.fromkeys(ALL, "skipped") | {"sync": "success"}
    assert world.job["status"] == "backfilling"
    assert world.db.syncRuns.find_one()["outcome"] == "item budget spent"
    assert run_dag().tasks == dict.fromkeys(ALL, "success")
    assert problems(world) == []


def test_replay_from_the_trigger_form_repairs_a_range_and_returns_its_record(run_dag, world):
    run_dag()
    before = world.place
    lost = len(world.lose(TimeRange(world.start, world.start + timedelta(days=1))))
    ended = run_dag(mode="replay", **window_of(world.start, days=1))
    assert ended.state == "success"
    assert ended.tasks == dict.fromkeys(ALL, "skipped") | {"sync": "success"}
    assert ended.events == {f"{world.source.dag_id}_contracts": {"created": lost, "updated": 0}}
    assert (ended.returned["mode"], ended.returned["outcome"], ended.returned["created"]) == ("replay", "done", lost)
    assert world.place == before
    assert problems(world) == []


def test_dry_run_from_the_trigger_form_writes_nothing_and_returns_what_it_would(run_dag, world):
    ended = run_dag(mode="dry_run")
    assert ended.tasks == dict.fromkeys(ALL, "skipped") | {"sync": "success"}
    assert ended.events == {}
    written = {name for name in world.db.list_collection_names() if world.db[name].count_documents({})}
    assert written == {"syncPace", "syncSchema"}  # the pace of its requests, and that the database is up to date
    run_dag()
    assert ended.returned["would"]["created"] == world.db.contracts.count_documents({})
    assert {world.contract(notice_id)["noticeId"] for notice_id in ended.returned["named"]["created"]}


def test_form_that_makes_no_sense_fails_at_once_with_one_sentence(run_dag, world, dag):
    ended = run_dag(mode="replay")
    assert (ended.state, ended.tasks["sync"]) == ("failed", "failed")
    with pytest.raises(AirflowFailException, match="nothing was done: mode replay needs window_from and window_to"):
        execute(dag, mode="replay")
    assert not world.server.requests


def test_backfill_start_is_taken_at_the_first_run_and_refused_later(run_dag, world, dag):
    later = world.start + timedelta(days=1)
    assert run_dag(backfill_start=later.date().isoformat()).state == "success"
    assert world.job["backfillStartDate"] == f"{later:%Y-%m-%dT%H:%M:%SZ}"
    assert run_dag(backfill_start=later.date().isoformat()).state == "success"
    with pytest.raises(AirflowFailException, match="choose mode reset"):
        execute(dag, backfill_start=world.start.date().isoformat())


def test_run_of_an_airflow_backfill_replays_its_hour(world, dag):
    world.run()
    noon = world.start.replace(hour=12) + timedelta(days=1)
    lost = len(world.lose(TimeRange(noon - timedelta(hours=1), noon)))
    record = execute(dag, SimpleNamespace(run_type="backfill", logical_date=noon))
    assert record["range"] == {"from": (noon - timedelta(hours=1)).isoformat(), "to": noon.isoformat()}
    assert record["created"] == lost


def execute(dag, dag_run=None, **fields: Any) -> Any:
    """Execute the sync task itself, where its error is looked at."""
    params = dag.params.dump() | fields
    context = {"run_id": "by-hand", "params": params, "dag_run": dag_run, "outlet_events": Events()}
    return dag.get_task("sync").execute(context)


def window_of(start, **duration):
    end = start + timedelta(**duration)
    return {"window_from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "window_to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}


def test_recount_corrects_the_buyers_counts(run_dag, world):
    run_dag(max_items_per_run=1)
    world.db.buyers.update_many({}, {"$inc": {"contractCount": 5}})
    run_dag()
    assert problems(world) == []


def test_api_that_is_down_fails_the_run_and_nothing_after_it_runs(run_dag, world, connect):
    connect(world.source, "http://127.0.0.1:1")
    ended = run_dag(retries=0)
    assert ended.state == "failed"
    assert ended.tasks == dict.fromkeys(ALL, "upstream_failed") | {"sync": "failed"}
    assert ended.events == {}
    connect(world.source, world.server.url)
    assert run_dag().tasks == dict.fromkeys(ALL, "success")


@pytest.mark.parametrize(("ends", "state"), [(FailRun("the API is gone"), "failed"), (Outcome.TOLD_TO_STOP, "success")])
def test_contracts_of_a_run_whose_event_airflow_may_not_have_got_are_told_by_the_next(
    run_dag, world, monkeypatch, ends, state
):
    contracts = f"{world.source.dag_id}_contracts"
    run_dag()
    world.pass_time(minutes=10)
    world.publish("990001-2026")
    world.pass_time(minutes=10)
    read_on = Walk.read_on

    def read_on_and_end(*args: Any) -> tuple[Outcome, str]:
        read_on(*args)
        if isinstance(ends, FailRun):
            raise ends
        return ends, ""

    with monkeypatch.context() as patched:
        patched.setattr(Walk, "read_on", read_on_and_end)
        assert run_dag(retries=0).state == state
    assert world.contract("990001-2026")
    world.pass_time(minutes=10)
    after = run_dag()
    assert "created" not in after.returned
    assert after.events == {contracts: {"created": 1, "updated": 0}}
    world.pass_time(minutes=10)
    assert run_dag().events == {}


def test_contracts_that_an_audit_brought_in_are_told_by_the_next_run(run_dag, world):
    run_dag()
    world.pass_time(minutes=10)
    lost = len(world.lose(TimeRange(world.start, world.start + timedelta(days=1))))
    asked = {"time_budget_minutes": 30, **window_of(world.start, days=1)}
    with pytest.raises(AlertOperator):
        audit_source(world.source, asked, RunOptions(owner="audit", run_id="audit"))
    world.pass_time(minutes=10)
    assert run_dag().events == {f"{world.source.dag_id}_contracts": {"created": lost, "updated": 0}}


def test_wrong_setup_fails_at_once_without_a_retry(run_dag, world, monkeypatch):
    """Retries are as the DAG has them: were one made, this would wait a minute."""
    monkeypatch.setenv("BACKFILL_START_DATE", "nonsense")
    ended = run_dag()
    assert (ended.state, ended.tasks["sync"]) == ("failed", "failed")
    assert not world.server.requests


def test_source_held_by_another_run_is_skipped_and_fails_nothing(run_dag, world):
    jobs, _ = world.holder("another/run/sync", "another")
    jobs.get_or_create_sync_job(world.start)
    ended = run_dag()
    assert ended.state == "success"
    assert ended.tasks == dict.fromkeys(ALL, "skipped")
    assert not world.server.requests
    assert world.job["lease"]["owner"] == "another/run/sync"


def test_killed_task_ends_at_the_next_page_and_gives_its_lease_back(world, dag, monkeypatch):
    """Airflow calls on_kill in the task's own process, which goes on until its page is done."""
    sync = dag.get_task("sync")
    original, asked = world.server.api.answer, []

    def answer(*args: Any, **options: Any) -> Any:
        asked.append(1)
        sync.on_kill()
        return original(*args, **options)

    monkeypatch.setattr(world.server.api, "answer", answer)
    record = sync.execute({"run_id": "killed", "params": {"time_budget_minutes": 30}, "outlet_events": Events()})
    assert (record["outcome"], record["pages"], len(asked)) == ("told to stop", 1, 1)
    assert world.job["lease"] is None
    assert world.run().done
    assert problems(world) == []
    assert json.dumps(record), "an XCom"


class Events(dict[Any, Any]):
    """What a task may say about assets; what it says is of no matter here."""

    def __missing__(self, key: object) -> Events:
        return self

    def add(self, *_: object, **__: object) -> None:
        """Take an event."""
