"""What people do to runs in Airflow, done to a whole Airflow at work: each is safe, and does what people expect.

In order of writing: the first three find the backfill of Find a Tender at work, which Airflow began by itself.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tender_sync.orchestration.metrics import COUNTERS
from tests.airflow.conftest import LONG, SHORT, close_gate, open_gate, wait_for_gate
from tests.served import until

ONE_PAGE = {"max_items_per_run": 1}
WEEK, LAST_WEEK = timedelta(days=7), "last week's"


def now():
    return datetime.now(UTC)


def contents(airflow, dag_id):
    """Copy the contracts of a source; a run that changes nothing leaves `updatedAt` alone, too."""
    return list(airflow.db.contracts.find({"source": dag_id.upper()}, {"rawData": 0}).sort("noticeId", 1))


def place(airflow, dag_id):
    return {name: airflow.job(dag_id)[name] for name in ("status", "cursor", "window", "lastSyncedDate")}


def one_after_the_other(airflow, dag_id):
    """Say whether no two runs of a source were at work at once, as their records tell."""
    runs = list(airflow.db.syncRuns.find({"source": dag_id.upper()}).sort("startedAt", 1))
    return all(later["startedAt"] >= before["endedAt"] for before, later in pairwise(runs))


def test_trigger_while_another_run_is_at_work_is_queued(airflow):
    wait_for_gate(airflow)
    first = airflow.first_run(LONG)
    second = airflow.trigger(LONG, **ONE_PAGE)
    assert airflow.run(LONG, first)["state"] == "running"
    assert airflow.run(LONG, second)["state"] == "queued"
    assert airflow.job(LONG)["lease"]["owner"] == f"{LONG}/{first}/sync"


def test_task_cleared_while_at_work_goes_on_as_itself(airflow):
    first, lease = airflow.first_run(LONG), airflow.job(LONG)["lease"]
    open_gate(airflow)
    airflow.clear(LONG, first, "sync")
    until(lambda: airflow.job(LONG)["totalFetched"], "the cleared task's pages")
    close_gate(airflow)
    wait_for_gate(airflow)
    again = airflow.job(LONG)["lease"]
    assert again["owner"] == lease["owner"]
    assert again["token"] != lease["token"]


def test_task_at_work_marked_success_ends_and_the_next_run_goes_on(airflow):
    """The trigger queued by the first test is that next run."""
    first, reached = airflow.first_run(LONG), airflow.job(LONG)["totalFetched"]
    open_gate(airflow)
    airflow.ask("PATCH", airflow.dag(LONG, f"/dagRuns/{first}/taskInstances/sync"), {"new_state": "success"})
    assert airflow.ended(LONG, first) == "success"
    second = next(run["dag_run_id"] for run in airflow.runs(LONG) if run["run_type"] == "manual")
    assert airflow.ended(LONG, second) == "success"
    assert airflow.record(first)["outcome"].startswith("told to stop")
    assert airflow.record(second)["outcome"] == "item budget spent"
    assert airflow.job(LONG)["totalFetched"] > reached


def test_task_at_work_marked_failed_stops_and_gives_its_lease_back(airflow):
    close_gate(airflow)
    run = airflow.trigger(LONG)
    wait_for_gate(airflow)
    airflow.ask("PATCH", airflow.dag(LONG, f"/dagRuns/{run}/taskInstances/sync"), {"new_state": "failed"})
    assert airflow.ended(LONG, run) == "failed"
    until(lambda: airflow.job(LONG)["lease"] is None, "the lease to be given back")
    assert airflow.record(run)["outcome"].startswith("told to stop")
    open_gate(airflow)
    airflow.pause(LONG)


def test_paused_dag_ends_its_task_and_keeps_the_rest_and_what_is_triggered_for_later(airflow):
    airflow.unpause(LONG)
    run = airflow.trigger(LONG, max_items_per_run=1000)
    until(lambda: airflow.record(run).get("pages"), "a run at work")
    airflow.ask("PATCH", airflow.dag(LONG), {"is_paused": True})
    until(lambda: airflow.tasks(LONG, run)["sync"] == "success", "the task's end")
    second = airflow.trigger(LONG, mode="reset")
    time.sleep(10)
    assert airflow.job(LONG)["lease"] is None
    assert (airflow.run(LONG, run)["state"], airflow.tasks(LONG, run)["backfill_completed"]) == ("running", None)
    assert airflow.run(LONG, second)["state"] == "queued"
    airflow.unpause(LONG)
    assert [airflow.ended(LONG, each) for each in (run, second)] == ["success", "success"]
    airflow.pause(LONG)


def test_cleared_task_reads_again_and_changes_nothing(synced):
    run = synced.first_run(SHORT)
    before = contents(synced, SHORT)
    synced.clear(SHORT, run, "sync")
    assert synced.ended(SHORT, run) == "success"
    # What was published meanwhile may have come in.
    after = {contract["noticeId"]: contract for contract in contents(synced, SHORT)}
    assert all(after[contract["noticeId"]] == contract for contract in before)
    assert one_after_the_other(synced, SHORT)


@pytest.fixture
def failed(synced):
    """A failed run of Contracts Finder, whose setup is right again."""
    start = synced.job(SHORT)["backfillStartDate"]
    synced.db.syncJobs.update_one({"source": SHORT.upper()}, {"$set": {"backfillStartDate": "nonsense"}})
    run = synced.trigger(SHORT)
    assert synced.ended(SHORT, run) == "failed"
    synced.db.syncJobs.update_one({"source": SHORT.upper()}, {"$set": {"backfillStartDate": start}})
    return run


def test_failed_run_cleared_succeeds_once_its_cause_is_gone(synced, failed):
    synced.ask("POST", synced.dag(SHORT, f"/dagRuns/{failed}/clear"), {"dry_run": False})
    assert synced.ended(SHORT, failed) == "success"
    assert synced.tasks(SHORT, failed)["sync"] == "success"
    assert synced.record(failed)["outcome"] == "done"


def test_failed_run_marked_success_changes_its_colour_only(synced, failed):
    before = place(synced, SHORT)
    synced.ask("PATCH", synced.dag(SHORT, f"/dagRuns/{failed}"), {"state": "success"})
    assert place(synced, SHORT) == before
    run = synced.trigger(SHORT)
    assert synced.ended(SHORT, run) == "success"
    assert synced.record(run)["outcome"] == "done"


def test_form_refuses_what_cannot_be(synced):
    for conf in ({"mode": "repaly"}, {"time_budget_minutes": 600}, {"window_from": "yesterday"}):
        with pytest.raises(AssertionError, match=r": 4\d\d .*Invalid input for param"):
            synced.trigger(SHORT, **conf)


def test_counters_reach_statsd(synced, statsd):
    received(statsd)
    run = synced.trigger(SHORT, mode="replay", window_from=f"{now() - WEEK:%FT%TZ}", window_to=f"{now():%FT%TZ}")
    assert synced.ended(SHORT, run) == "success"
    record, counted = synced.record(run), received(statsd)
    assert record["unchanged"] > 100
    for name, metric in COUNTERS.items():
        assert counted[f"airflow.tender_sync.{SHORT}.{metric}"] == pytest.approx(record.get(name, 0), abs=0.01), name


def received(statsd):
    """Add up the counters that have arrived since the last time."""
    counted = Counter()
    with suppress(BlockingIOError):
        while True:
            name, value = statsd.recv(2**16).decode().split(":")
            counted[name] += float(value.removesuffix("|c"))
    return counted


def test_week_of_pause_is_made_up_for_by_one_run(synced):
    """The last run that Airflow began by itself is made to lie a week back, in its metadata and in MongoDB."""
    synced.pause(SHORT)
    before, then, source = contents(synced, SHORT), now() - WEEK, {"source": SHORT.upper()}
    assert synced.db.contracts.delete_many(source | {"publishedDate": {"$gt": then}}).deleted_count > 300
    synced.db.syncJobs.update_one(source, {"$set": {"lastSyncedDate": f"{then:%FT%TZ}"}})
    forget_the_last_week(synced, then)
    parsed = synced.ask("GET", synced.dag(SHORT))
    # What the DAG processor does every half minute: say which run comes next.
    synced.ask("PUT", f"/api/v2/parseDagFile/{parsed['file_token']}")
    until(lambda: synced.ask("GET", synced.dag(SHORT))["last_parsed_time"] > parsed["last_parsed_time"], "a parse")
    hour = now().replace(minute=0, second=0, microsecond=0)
    synced.unpause(SHORT)
    first, *others = until(lambda: [run for run in synced.runs(SHORT) if run["dag_run_id"] != LAST_WEEK], "a run")
    assert synced.ended(SHORT, first["dag_run_id"]) == "success"
    assert not others
    assert synced.record(first["dag_run_id"])["created"] > 300
    after = {contract["noticeId"] for contract in contents(synced, SHORT)}
    assert after >= {contract["noticeId"] for contract in before}
    # And no second one is due, unless a full hour began meanwhile.
    assert datetime.fromisoformat(first["run_after"]) >= hour
    assert datetime.fromisoformat(synced.ask("GET", synced.dag(SHORT))["next_dagrun_run_after"]) > hour


def forget_the_last_week(airflow, then):
    scheduled = "SELECT MAX(id) FROM dag_run WHERE dag_id = :dag AND run_type = 'scheduled'"
    values = {"then": f"{then:%Y-%m-%d %H}:00:00.000000", "run": LAST_WEEK, "dag": SHORT}
    with closing(sqlite3.connect(airflow.home / "airflow.db", timeout=60)) as metadata, metadata:
        metadata.execute("PRAGMA foreign_keys = ON")
        metadata.execute("DELETE FROM task_instance WHERE dag_id = :dag", values)
        metadata.execute(f"DELETE FROM dag_run WHERE dag_id = :dag AND id != ({scheduled})", values)  # noqa: S608 - ours
        metadata.execute(
            "UPDATE dag_run SET run_id = :run, logical_date = :then, run_after = :then, data_interval_start = :then, "
            "data_interval_end = :then WHERE dag_id = :dag",
            values,
        )


def test_airflow_backfill_replays_its_hours_and_moves_nothing(synced):
    day = now().replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=3)
    before, began = place(synced, SHORT), now()
    last = day + timedelta(hours=2)
    lost = {"source": SHORT.upper(), "publishedDate": {"$gt": day - timedelta(hours=1), "$lt": last}}
    count = synced.db.contracts.count_documents(lost)
    synced.db.contracts.delete_many(lost)
    dates = ("--from-date", day.isoformat(), "--to-date", last.isoformat())
    synced.command("backfill", "create", "--dag-id", SHORT, *dates)
    runs = until(
        lambda: len(made := [run for run in synced.runs(SHORT) if run["run_type"] == "backfill"]) == 3 and made,
        "the backfill's runs",
    )
    assert {synced.ended(SHORT, run["dag_run_id"]) for run in runs} == {"success"}
    records = [synced.record(run["dag_run_id"]) for run in runs]
    assert [record["mode"] for record in records] == ["replay"] * 3
    assert sorted(record["range"]["to"] for record in records) == [day + timedelta(hours=hour) for hour in range(3)]
    assert synced.db.contracts.count_documents(lost) == count
    # Unless a full hour began meanwhile, whose run is normal.
    hourly = synced.db.syncRuns.count_documents({"mode": "syncing", "startedAt": {"$gte": began}})
    assert place(synced, SHORT) == before or hourly
    assert one_after_the_other(synced, SHORT)
