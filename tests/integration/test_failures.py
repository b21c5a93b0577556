"""What goes wrong around a run, as `run_source` tells it: one sentence with what, where, the remedy; nothing lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from tender_sync.errors import FailRun, FixSetup, TenderSyncError
from tender_sync.pipeline.modes import run_source
from tender_sync.pipeline.run import RunOptions
from tender_sync.storage.page_commit import Store
from tender_sync.storage.sync_jobs import SyncJobs
from tests.integration.oracle import problems
from tests.support.connections import MONGO_VARIABLE, mongo
from tests.support.databases import opened
from tools.mongod import free_port, running_mongod

PASSWORD = "s3cret/pass word"  # noqa: S105 - made up, and looked for in messages


@pytest.fixture
def sync(world, mongod, monkeypatch):
    """Run `run_source` over the world's server and database, through Airflow connections in the environment."""
    set_mongo(monkeypatch, port=mongod.port, schema=world.db.name, extra={"replicaSet": mongod.replica_set})
    monkeypatch.setenv("SYNC_PACE_SECONDS", "0")
    monkeypatch.setenv("BACKFILL_START_DATE", world.start.date().isoformat())
    monkeypatch.setattr("tender_sync.pipeline.modes.SystemClock", lambda: world.clock)

    def run(max_items: int | None = None) -> Any:
        return run_source(
            world.source,
            {"time_budget_minutes": 40_000, "max_items_per_run": max_items},
            RunOptions(owner="dag/run/sync", run_id="run"),
        )

    return run


def set_mongo(monkeypatch, **fields: Any) -> None:
    monkeypatch.setenv(MONGO_VARIABLE, mongo(**fields))


def failure(run, kind: type[TenderSyncError]) -> str:
    """Run into the expected failure and return its message."""
    with pytest.raises(TenderSyncError) as failed:
        run()
    assert type(failed.value) is kind, failed.value
    message = str(failed.value)
    assert PASSWORD not in message
    assert "s3cret" not in message
    assert message.count("\n") <= 1, "one sentence or two, no trace of a program"
    return message


def all_of(message: str, *expected: str) -> None:
    assert [part for part in expected if part not in message] == []


@pytest.mark.each_source
def test_run_through_connections_is_complete(sync, world):
    assert sync()["outcome"] == "done"
    assert problems(world) == []


def test_api_that_is_down(sync, world, connect):
    place = world.run_into_a_window()
    connect(world.source, f"http://127.0.0.1:{free_port()}")
    began = world.clock.now()
    message = failure(sync, FailRun)
    all_of(message, world.source.title, "127.0.0.1", "refused", world.source.http_conn_id, "next run goes on")
    # Less what passed on MongoDB's own clock, which keeps the pace.
    assert world.clock.now() - began > timedelta(seconds=3 + 6 + 12 + 24 - 5)
    assert world.place == place
    job = world.job
    assert (job["status"], job["lease"], job["lastRunErrors"], job["failures"]) == ("error", None, 1, 0)
    assert message[:200] in job["errorLog"][-1]
    assert world.db.syncRuns.find_one({"outcome": "failed"})["error"] == message
    connect(world.source, world.server.url)
    assert sync()["outcome"] == "done"
    assert problems(world) == []


def test_api_that_answers_something_else(sync, world, connect):
    """The connection leads to a server that is another one."""
    connect(world.source, f"{world.server.url}/somewhere")
    message = failure(sync, FailRun)
    all_of(message, "HTTP 404", world.source.http_conn_id, "expected 200")


@pytest.mark.parametrize("host", ["not a host", "ftp://127.0.0.1", ""])
def test_api_connection_whose_address_is_none(sync, world, connect, host):
    connect(world.source, host)
    message = failure(sync, FixSetup)
    all_of(message, world.source.http_conn_id)


def test_api_connection_that_is_missing(sync, world, monkeypatch):
    variable = f"AIRFLOW_CONN_{world.source.http_conn_id.upper()}"
    monkeypatch.delenv(variable)
    message = failure(sync, FixSetup)
    all_of(message, repr(world.source.http_conn_id), variable, world.source.base_url, '"conn_type": "http"')
    assert world.db.syncJobs.count_documents({}) == 0


def test_mongo_connection_that_is_missing(sync, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_TENDHUNT_MONGO")
    message = failure(sync, FixSetup)
    all_of(message, "'tendhunt_mongo'", "AIRFLOW_CONN_TENDHUNT_MONGO", '"conn_type": "mongo"', "schema")


def test_mongo_connection_without_schema(sync, monkeypatch, mongod):
    set_mongo(monkeypatch, port=mongod.port, login="tendhunt", password=PASSWORD)
    message = failure(sync, FixSetup)
    all_of(message, "'tendhunt_mongo'", "schema", "tendhunt")


def test_mongo_connection_with_an_unknown_option(sync, monkeypatch, mongod):
    extra = {"noSuchOption": 1}
    set_mongo(monkeypatch, port=mongod.port, schema="x", login="tendhunt", password=PASSWORD, extra=extra)
    message = failure(sync, FixSetup)
    all_of(message, "'tendhunt_mongo'", "extra")


def test_mongodb_that_is_down(sync, world, monkeypatch, mongod):
    place = world.run_into_a_window()
    port = free_port()
    quick = {"serverSelectionTimeoutMS": 200, "replicaSet": mongod.replica_set}
    set_mongo(monkeypatch, port=port, schema=world.db.name, login="tendhunt", password=PASSWORD, extra=quick)
    requests = len(world.server.requests)
    message = failure(sync, FailRun)
    all_of(message, "127.0.0.1", str(port), "'tendhunt_mongo'", "cannot be reached", "Check that it runs")
    assert len(world.server.requests) == requests, "without MongoDB nothing is asked"
    assert world.place == place
    set_mongo(monkeypatch, port=mongod.port, schema=world.db.name, extra={"replicaSet": mongod.replica_set})
    assert sync()["outcome"] == "done"
    assert problems(world) == []


@pytest.fixture(scope="module")
def standalone():
    with running_mongod(replica_set=None) as server:
        yield server


def test_mongodb_that_is_a_standalone(sync, monkeypatch, standalone):
    set_mongo(monkeypatch, port=standalone.port, schema="tendhunt")
    message = failure(sync, FixSetup)
    all_of(message, "'tendhunt_mongo'", "standalone", "transactions", "--replSet rs0", "rs.initiate()")


def test_mongodb_killed_in_the_middle_of_a_run_and_started_again(source, sync, monkeypatch, tmp_path, make_world):
    """As by a power cut, while the third page is on its way: the next run goes on after the second."""
    # The driver repeats a transaction for two minutes before it gives up.
    monkeypatch.setattr("pymongo.synchronous.client_session._within_time_limit", lambda *_: False)
    with running_mongod(tmp_path / "data") as mortal:
        quick = {"serverSelectionTimeoutMS": 300, "replicaSet": mortal.replica_set}
        set_mongo(monkeypatch, port=mortal.port, schema="tendhunt", extra=quick)
        world = make_world(source)
        monkeypatch.setattr("tender_sync.pipeline.modes.SystemClock", lambda: world.clock)
        original, answered = world.server.api.answer, []

        def answer(*args: Any, **options: Any) -> Any:
            answered.append(1)
            if len(answered) == 3:
                mortal.kill()
            return original(*args, **options)

        monkeypatch.setattr(world.server.api, "answer", answer)
        message = failure(sync, FailRun)
        all_of(message, "'tendhunt_mongo'", "next run goes on")
        mortal.start()
        with opened(mortal.uri, "tendhunt") as world.db:
            assert world.db.syncRuns.find_one()["pages"] == 2
            assert sync()["outcome"] == "done"
            assert world.db.syncRuns.count_documents({"outcome": "died"}) == 1
            assert problems(world) == []


def test_mongodb_that_fails_in_a_page_is_told_in_the_job_and_the_run(sync, world, monkeypatch):
    """As when a primary steps down: the connection is lost once, and MongoDB answers again."""
    world.run_into_a_window()
    place, failures = world.place, []
    commit_page = Store.commit_page

    def fail_once(self: Any, page: Any) -> Any:
        if not failures:
            failures.append(page)
            raise AutoReconnect("the primary stepped down")
        return commit_page(self, page)

    monkeypatch.setattr(Store, "commit_page", fail_once)
    message = failure(sync, FailRun)
    all_of(message, "127.0.0.1", "'tendhunt_mongo'", "the primary stepped down", "next run goes on")
    job, run = world.job, world.db.syncRuns.find_one({"outcome": "failed"}) or {}
    assert (job["status"], job["lease"], job["lastRunErrors"], job["failures"]) == ("error", None, 1, 0)
    assert message[:200] in job["errorLog"][-1]
    assert (run["outcome"], run["error"], run["requests"]) == ("failed", message, 1)
    assert world.place == place
    assert sync()["outcome"] == "done"
    assert problems(world) == []


def test_mongodb_failure_that_cannot_be_noted_is_in_the_log(sync, world, monkeypatch, caplog):
    def fail(*_: Any, **__: Any) -> Any:
        raise AutoReconnect("the primary is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit_page", fail)
        patched.setattr(SyncJobs, "mark_sync_error", fail)
        message = failure(sync, FailRun)
    assert message in caplog.text
    assert "this failure could not be noted in syncJobs" in caplog.text
    assert sync()["outcome"] == "done"
    assert world.db.syncRuns.count_documents({"outcome": "died"}) == 1
    assert problems(world) == []


def test_start_date_that_is_none(sync, monkeypatch):
    monkeypatch.setenv("BACKFILL_START_DATE", "last spring")
    message = failure(sync, FixSetup)
    all_of(message, "BACKFILL_START_DATE", "'last spring'", "2021-01-01")


@pytest.mark.parametrize("text", ["2031-01-01", "0202-01-01"])
def test_start_date_in_the_future_or_of_another_age(sync, world, monkeypatch, text):
    """A year of three digits cannot be read back: every later run of the source would fail, its reset as well."""
    monkeypatch.setenv("BACKFILL_START_DATE", text)
    message = failure(sync, FixSetup)
    all_of(message, "BACKFILL_START_DATE", f"'{text}'", "past date")
    assert world.db.syncJobs.count_documents({}) == 0


@pytest.mark.parametrize("pace", ["fast", "-1", "nan", "inf", "4000"])
def test_pace_that_is_none(sync, monkeypatch, pace):
    monkeypatch.setenv("SYNC_PACE_SECONDS", pace)
    message = failure(sync, FixSetup)
    all_of(message, "SYNC_PACE_SECONDS", repr(pace), "seconds", "0 to 3600")


def test_start_date_is_said_once(sync, world, monkeypatch):
    """A source that has begun goes on from where it is, whatever the environment says later."""
    sync(max_items=1)
    place = world.place
    monkeypatch.setenv("BACKFILL_START_DATE", "2026-06-05")
    assert world.job["backfillStartDate"] == f"{world.start:%Y-%m-%dT%H:%M:%SZ}"
    sync(max_items=1)
    assert world.place != place
    sync()
    assert problems(world) == []
