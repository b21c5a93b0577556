"""Which run Airflow makes first, asked of the timetable as the scheduler has it: out of the serialized DAG."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from airflow.serialization.serialized_objects import DagSerialization

SUNDAY = datetime(2026, 11, 29, 2, 20, tzinfo=UTC)
NEXT_SUNDAY = datetime(2026, 12, 6, 2, 20, tzinfo=UTC)


@pytest.fixture
def first_run(dagbag, monkeypatch):
    def first_run(dag_id: str, now: datetime, last: datetime | None = None) -> datetime:
        monkeypatch.setattr("airflow.timetables.trigger.utcnow", lambda: now)
        dag = DagSerialization.from_dict(DagSerialization.to_dict(dagbag.dags[dag_id]))
        run = last and dag.timetable.run_info_from_dag_run(dag_run=Run(last))
        return dag.next_dagrun_info(last_automated_run_info=run).run_after

    return first_run


class Run:
    """A scheduled run, as much as a timetable looks at of it."""

    partition_key = partition_date = None

    def __init__(self, at: datetime) -> None:
        self.logical_date = self.run_after = self.data_interval_start = self.data_interval_end = at


@pytest.mark.parametrize(
    ("installed", "first"),
    [
        (datetime(2026, 11, 26, 12, tzinfo=UTC), SUNDAY),
        (SUNDAY.replace(minute=19), SUNDAY),
        (SUNDAY.replace(minute=50), SUNDAY),  # a late scheduler, which finds the run planned anew by a later parse
        (SUNDAY.replace(hour=3, minute=21), NEXT_SUNDAY),
        (SUNDAY.replace(hour=18), NEXT_SUNDAY),
    ],
)
def test_audit_leaves_out_the_week_before_the_installation(first_run, installed, first):
    assert first_run("completeness_audit", now=installed) == first


def test_audit_that_was_missed_is_made_up_for_once_there_has_been_one(first_run):
    now = datetime(2026, 12, 2, tzinfo=UTC)
    assert first_run("completeness_audit", now, last=datetime(2026, 11, 15, 2, 20, tzinfo=UTC)) == SUNDAY


def test_sources_begin_at_once(first_run, source):
    now = datetime(2026, 11, 26, 12, 34, tzinfo=UTC)
    assert first_run(source.dag_id, now) == datetime(2026, 11, 26, 12, tzinfo=UTC)
