"""Stale sources, and what Airflow's metrics are told."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import MagicMock

import pytest
from airflow.sdk.observability import stats

from tender_sync.errors import AlertOperator, FailRun, SkipRun
from tender_sync.orchestration.operators import FreshnessCheckOperator, TenderSyncOperator
from tender_sync.pipeline.freshness import check_freshness


def check(world, run_id="check-1"):
    return check_freshness(world.db, world.source, world.clock, run_id)


def test_stale_source_is_told_once_and_again_only_after_it_was_fresh(run, at_work):
    run()
    # MongoDB's own clock wrote this, which is months ahead of the world's.
    at_work.db.syncJobs.update_one({}, {"$set": {"lastRunAt": at_work.clock.now()}})
    assert check(at_work) == timedelta()
    at_work.pass_time(hours=3, minutes=1)
    with pytest.raises(AlertOperator, match=r"is stale.*for 3.0 hours; expected at most 3.0 hours.*No run since"):
        check(at_work, "check-2")
    for later in range(3, 30):
        at_work.pass_time(hours=1)
        with pytest.raises(SkipRun, match=r"still stale, by .*; check-2 has raised the alarm"):
            check(at_work, f"check-{later}")
    with pytest.raises(AlertOperator):
        check(at_work, "check-2")
    run()
    assert check(at_work, "check-31") == timedelta()
    at_work.pass_time(hours=4)
    with pytest.raises(AlertOperator):
        check(at_work, "check-32")


def test_stale_source_says_why(run, at_work):
    run()
    at_work.server.faults.add("html")
    at_work.pass_time(hours=4)
    with pytest.raises(FailRun):
        run()
    at_work.db.syncJobs.update_one({}, {"$set": {"lastRunAt": at_work.clock.now()}})
    with pytest.raises(AlertOperator, match=r"Its last run failed: .*release package"):
        check(at_work)


def test_backfill_of_days_is_not_stale_as_long_as_it_moves(run, at_work):
    run(max_items_per_run=1)
    for number in range(6):
        moved = f"{at_work.start + timedelta(hours=number):%Y-%m-%dT%H:%M:%SZ}"
        at_work.db.syncJobs.update_one({}, {"$set": {"lastSyncedDate": moved}})
        check(at_work, f"check-{number}")
        at_work.pass_time(hours=2)
    at_work.pass_time(hours=2)
    with pytest.raises(AlertOperator, match=r"has not moved for 4.0 hours"):
        check(at_work, "check-9")
    with pytest.raises(SkipRun, match="still stale"):
        check(at_work, "check-10")


def test_source_that_never_ran_is_nobodys_alarm(at_work):
    with pytest.raises(SkipRun, match="never run"):
        check(at_work)


def test_operators_count_pages_and_ages_in_airflows_metrics(at_work, monkeypatch):
    monkeypatch.setattr("tender_sync.orchestration.operators.SystemClock", lambda: at_work.clock)
    counted: dict[str, int] = {}
    monkeypatch.setattr(stats, "incr", lambda name, count=1: counted.update({name: counted.get(name, 0) + count}))
    monkeypatch.setattr(stats, "gauge", lambda name, value: counted.update({name: value}))
    context = {"run_id": "run", "params": {"time_budget_minutes": 59}, "outlet_events": MagicMock()}
    record = TenderSyncOperator(task_id="sync", source=at_work.source.name).execute(context)
    FreshnessCheckOperator(task_id="check", source=at_work.source.name).execute(context)
    dag_id = at_work.source.dag_id
    assert counted[f"tender_sync.{dag_id}.pages"] == record["pages"]
    assert counted[f"tender_sync.{dag_id}.releases"] == record["fetched"]
    assert counted[f"tender_sync.{dag_id}.watermark_age_seconds"] == 0
    assert all(record[name] == counted[f"tender_sync.{dag_id}.{name}"] for name in ("created", "requests", "bytes"))
    fates = ("created", "updated", "unchanged", "rejected", "doubled")
    assert record["fetched"] == sum(counted.get(f"tender_sync.{dag_id}.{name}", 0) for name in fates)
