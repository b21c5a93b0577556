"""The DAG every source has; `dags/` holds one small file for each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Param

from tender_sync.operators import AnnounceTransitionOperator, RecountBuyersOperator, TenderSyncOperator
from tender_sync.sensors import BackfillCompletedSensor

if TYPE_CHECKING:
    from tender_sync.sources import Source

# A run that backfills lasts until just before the next one starts, so that hardly an allowed request is left unused.
TIME_BUDGET_MINUTES = 59.5
# The budget, and room for the slowest page with all its retries; then Airflow ends the task.
EXECUTION_TIMEOUT = timedelta(minutes=90)


def source_dag(source: Source, doc_md: str | None) -> DAG:
    """Build the hourly DAG of `source`: sync, and what hangs on the end of its backfill.

    No pool: one writer and one pace per API are kept in MongoDB, where `airflow dags test` and a task that outlived
    its supervisor obey them too.
    """
    with DAG(
        dag_id=source.dag_id,
        description=f"{source.title}: public procurement notices into MongoDB, hourly",
        doc_md=doc_md,
        schedule="@hourly",
        start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
        catchup=False,
        max_active_runs=1,
        tags=["tendhunt", "ocds", source.name.lower()],
        render_template_as_native_obj=True,
        default_args={
            "owner": "tendhunt-data",
            "retries": 2,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=10),
            "execution_timeout": EXECUTION_TIMEOUT,
        },
        params={
            "max_items_per_run": Param(
                None,
                type=["null", "integer"],
                minimum=1,
                title="Item budget",
                description="End the run after about this many releases; empty for no limit.",
            ),
            "time_budget_minutes": Param(
                TIME_BUDGET_MINUTES,
                type="number",
                exclusiveMinimum=0,
                maximum=TIME_BUDGET_MINUTES,
                title="Time budget (minutes)",
                description="End the run, in order, after this long; the next one goes on from there.",
            ),
        },
    ) as dag:
        sync = TenderSyncOperator(
            task_id="sync",
            source=source.name,
            max_items_per_run="{{ params.max_items_per_run }}",
            time_budget_minutes="{{ params.time_budget_minutes }}",
        )
        backfill_completed = BackfillCompletedSensor(task_id="backfill_completed", source=source.name)
        recount_buyers = RecountBuyersOperator(task_id="recount_buyers", source=source.name)
        announce_transition = AnnounceTransitionOperator(task_id="announce_transition", source=source.name)
        sync >> backfill_completed >> recount_buyers >> announce_transition
    return dag
