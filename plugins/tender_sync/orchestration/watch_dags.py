"""The two DAGs that watch over the sources; `dags/` holds one small file for each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronTriggerTimetable, Param

from tender_sync.orchestration.dags import DAG_DEFAULTS, TASK_DEFAULTS
from tender_sync.orchestration.operators import CompletenessAuditOperator, FreshnessCheckOperator
from tender_sync.orchestration.params import range_params, time_budget
from tender_sync.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import BaseNotifier

# At six requests a minute 150 pages: a usual week of both sources, and over before the next hourly run begins.
AUDIT_MINUTES = 25
ALL = "all"
# A new installation has nothing to audit, and an audit at work holds its source: the first hourly runs would skip. So
# the first audit is that of the next Sunday, not at once that of the last, as a cron text and a `start_date` would have
# it. The hour is room for a scheduler that is late: the first run is planned anew with every parse of the DAG.
_FROM_THE_NEXT_SUNDAY = CronTriggerTimetable("20 2 * * 0", timezone="UTC", run_immediately=timedelta(hours=1))


def audit_dag(doc_md: str | None, notify: Sequence[BaseNotifier]) -> DAG:
    """Build the weekly audit: one task a source, of which a trigger may choose one."""
    with DAG(
        dag_id="completeness_audit",
        description="Lists what the APIs show once more, in other windows, and brings in what is missing; weekly",
        doc_md=doc_md,
        schedule=_FROM_THE_NEXT_SUNDAY,
        tags=["tendhunt", "ocds", "audit"],
        default_args={**TASK_DEFAULTS, "on_failure_callback": list(notify)},
        params={
            "source": Param(
                ALL,
                type="string",
                enum=[ALL, *SOURCES],
                title="Source",
                description="Which source to audit; the other task is skipped.",
            ),
            **range_params("Empty for what is due: the last eight days, and what the audit before did not reach."),
            "repair": Param(
                True, type="boolean", title="Repair", description="Bring in what is missing; else only report it."
            ),
            "time_budget_minutes": time_budget(AUDIT_MINUTES),
        },
        **DAG_DEFAULTS | {"start_date": None},  # with one, Airflow would not look at `run_immediately`
    ) as dag:
        for source in SOURCES.values():
            CompletenessAuditOperator(task_id=f"audit_{source.dag_id}", source=source.name)
    return dag


def freshness_dag(doc_md: str | None, notify: Sequence[BaseNotifier]) -> DAG:
    """Build the check of how fresh each source is, twice an hour, half an hour and more from the syncs' start."""
    with DAG(
        dag_id="freshness",
        description="Fails once, with how stale and why, when a source is older than it may be; twice an hour",
        doc_md=doc_md,
        schedule="10,40 * * * *",
        tags=["tendhunt", "ocds", "freshness"],
        default_args={
            **TASK_DEFAULTS,
            "retries": 0,  # a repeated look a minute later would find the same, and report it later
            "execution_timeout": timedelta(minutes=5),
            "on_failure_callback": list(notify),
        },
        **DAG_DEFAULTS,
    ) as dag:
        for source in SOURCES.values():
            FreshnessCheckOperator(task_id=f"check_{source.dag_id}", source=source.name)
    return dag
