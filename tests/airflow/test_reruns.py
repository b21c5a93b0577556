"""What people do to runs in Airflow, done to a whole Airflow at work: each is safe, and does what people expect.

In order of writing: the first finds the backfill of Find a Tender at work, which Airflow began by itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.airflow.conftest import until

LONG, SHORT = "find_a_tender", "contracts_finder"
ONE_PAGE = {"max_items_per_run": 1}


def contents(airflow, dag_id):
    """Copy the contracts of a source; a run that changes nothing leaves `updatedAt` alone, too."""
    return list(airflow.db.contracts.find({"source": dag_id.upper()}, {"rawData": 0}).sort("noticeId", 1))


def place(airflow, dag_id):
    return {name: airflow.job(dag_id)[name] for name in ("status", "cursor", "window", "lastSyncedDate")}


def one_after_the_other(airflow, dag_id):
    """Say whether no two runs of a source were at work at once, as their records tell."""
    runs = list(airflow.db.syncRuns.find({"source": dag_id.upper()}).sort("startedAt", 1))
    return all(later["startedAt"] >= before["endedAt"] for before, later in pairwise(runs))


@pytest.fixture(scope="session")
def synced(airflow):
    """Contracts Finder, its backfill complete by the run that Airflow began by itself."""
    until(lambda: airflow.job(SHORT).get("backfillCompletedAt"), "the backfill of Contracts Finder")
    for run in airflow.runs(SHORT):
        assert airflow.ended(SHORT, run["dag_run_id"]) == "success"
    return airflow


def test_trigger_while_another_run_is_at_work_is_queued(airflow):
    until(lambda: airflow.job(LONG).get("lease"), "the first run")
    first = airflow.first_run(LONG)
    second = airflow.trigger(LONG, **ONE_PAGE)
    assert airflow.run(LONG, first)["state"] == "running"
    assert airflow.run(LONG, second)["state"] == "queued"
    assert airflow.job(LONG)["lease"]["owner"] == f"{LONG}/{first}/sync"


def test_task_cleared_while_at_work_goes_on_as_itself(airflow):
    first = airflow.first_run(LONG)
    token = airflow.job(LONG)["lease"]["token"]
    before = airflow.job(LONG)["totalFetched"]
    airflow.clear(LONG, first, "sync")
    until(lambda: (airflow.job(LONG)["lease"] or {}).get("token", token) != token, "the cleared task's new lease")
    assert airflow.job(LONG)["lease"]["owner"] == f"{LONG}/{first}/sync"
    until(lambda: airflow.job(LONG)["totalFetched"] > before, "its pages")


def test_task_at_work_marked_success_ends_and_the_next_run_goes_on(airflow):
    """The trigger queued by the first test is that next run."""
    first = airflow.first_run(LONG)
    airflow.ask("PATCH", airflow.dag(LONG, f"/dagRuns/{first}/taskInstances/sync"), {"new_state": "success"})
    until(lambda: airflow.job(LONG)["lease"] is None, "the lease to be given back")
    assert airflow.ended(LONG, first) == "success"
    reached = airflow.job(LONG)["totalFetched"]
    for run in airflow.runs(LONG):
        assert airflow.ended(LONG, run["dag_run_id"]) == "success"
    assert airflow.job(LONG)["totalFetched"] > reached
    assert airflow.job(LONG)["status"] == "backfilling"


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


def test_airflow_backfill_replays_its_hours_and_moves_nothing(synced):
    day = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=3)
    before, began = place(synced, SHORT), datetime.now(UTC)
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
    assert place(synced, SHORT) == before or synced.record_of("syncing", since=began)
    assert one_after_the_other(synced, SHORT)
