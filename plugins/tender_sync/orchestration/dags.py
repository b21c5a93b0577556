"""The DAG every source has; `dags/` holds one small file for each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG

from tender_sync.orchestration.operators import AnnounceTransitionOperator, RecountBuyersOperator, TenderSyncOperator
from tender_sync.orchestration.params import source_params
from tender_sync.orchestration.sensors import BackfillCompletedSensor

if TYPE_CHECKING:
    from tender_sync.sources.base import Source

# The longest time budget, and room for the slowest page with all its retries; then Airflow ends the task.
EXECUTION_TIMEOUT = timedelta(minutes=90)
# What every DAG of this package has, and its tasks.
DAG_DEFAULTS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
    "catchup": False,
    "max_active_runs": 1,
}
TASK_DEFAULTS: dict[str, Any] = {
    "owner": "tendhunt-data",
    "execution_timeout": EXECUTION_TIMEOUT,
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
}


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
        tags=["tendhunt", "ocds", source.name.lower()],
        default_args=TASK_DEFAULTS,
        params=source_params(source),
        **DAG_DEFAULTS,
    ) as dag:
        # One at a time over all runs: those of an Airflow backfill queue up instead of waiting for the lease.
        sync = TenderSyncOperator(task_id="sync", source=source.name, max_active_tis_per_dag=1)
        backfill_completed = BackfillCompletedSensor(task_id="backfill_completed", source=source.name)
        recount_buyers = RecountBuyersOperator(task_id="recount_buyers", source=source.name)
        announce_transition = AnnounceTransitionOperator(task_id="announce_transition", source=source.name)
        sync >> backfill_completed >> recount_buyers >> announce_transition
    return dag
