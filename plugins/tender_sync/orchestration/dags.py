"""Builds the DAGs of the sources and the two that watch over them; `dags/` has one small file for each."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseNotifier, CronTriggerTimetable

from tender_sync.orchestration import operators
from tender_sync.orchestration.params import audit_params, source_params
from tender_sync.orchestration.sensors import BackfillCompletedSensor
from tender_sync.sources import SOURCES
from tender_sync.sources.base import Source

# Every DAG of this package has these, and its tasks have those below.
DAG_DEFAULTS: dict[str, Any] = {"start_date": datetime(2026, 1, 1, tzinfo=UTC), "catchup": False, "max_active_runs": 1}
TASK_DEFAULTS: dict[str, Any] = {
    "owner": "tendhunt-data",
    # The longest time budget, and room for the slowest page with all its retries. Then Airflow ends the task.
    "execution_timeout": timedelta(minutes=90),
    "retries": 2,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
}
_SOURCE_DOC = """{source.title} → MongoDB, every hour.

What is new or changed on **{source.title}** since the last run goes into `contracts` and `buyers`. The first runs read
the whole history from {source.history_start:%Y-%m-%d} (*backfilling*: at least {hours:.0f} hours for each million
releases, at {source.burst} requests in {seconds:.0f} seconds). When it is complete, the source is *syncing*.

| task | what it does | it is skipped when |
|---|---|---|
| `sync` | fetches, maps and upserts pages from where the last run stopped | another run holds the source |
| `backfill_completed` | catches the transition to syncing, once for ever | this run did not complete the backfill |
| `recount_buyers`, `announce_transition` | follow the transition | the same |

The document `{{source: "{source.name}"}}` in `syncJobs` shows where the source is. A failed run loses nothing: the next
one goes on from the last committed page. Trigger it with a smaller budget to try something out.
"""
# A new installation has nothing to audit, and an audit at work holds its source, so that the first hourly runs would
# skip. So the first audit is that of the next Sunday. (With a cron text and a `start_date` it would be last Sunday's,
# at once.) The hour is room for a scheduler that is late: the first run is planned anew with every parse of the DAG.
_FROM_THE_NEXT_SUNDAY = CronTriggerTimetable("20 2 * * 0", timezone="UTC", run_immediately=timedelta(hours=1))


def source_dag(source: Source) -> DAG:
    """Build the hourly DAG of `source`: sync, and what follows the end of its backfill.

    It has no pool. MongoDB keeps one writer and one pace per API, and `airflow dags test` and a task that outlived its
    supervisor obey them too.
    """
    seconds = source.burst * source.pace
    hours = 1_000_000 / source.windows.page_size * source.pace / 3600
    with DAG(
        dag_id=source.dag_id,
        description=f"{source.title}: public procurement notices into MongoDB, hourly",
        doc_md=_SOURCE_DOC.format(source=source, seconds=seconds, hours=hours),
        schedule="@hourly",
        tags=["tendhunt", "ocds", source.name.lower()],
        default_args=TASK_DEFAULTS,
        params=source_params(source),
        **DAG_DEFAULTS,
    ) as dag:
        # One at a time over all runs: those of an Airflow backfill queue up instead of waiting for the lease.
        sync = operators.TenderSyncOperator(task_id="sync", source=source.name, max_active_tis_per_dag=1)
        backfill_completed = BackfillCompletedSensor(task_id="backfill_completed", source=source.name)
        recount_buyers = operators.RecountBuyersOperator(task_id="recount_buyers", source=source.name)
        announce_transition = operators.AnnounceTransitionOperator(task_id="announce_transition", source=source.name)
        sync >> backfill_completed >> recount_buyers >> announce_transition
    return dag


def audit_dag(doc_md: str | None, notify: Sequence[BaseNotifier]) -> DAG:
    """Build the weekly audit: one task per source. A trigger may choose one."""
    with DAG(
        dag_id="completeness_audit",
        description="Lists what the APIs show once more, in other windows, and brings in what is missing; weekly",
        doc_md=doc_md,
        schedule=_FROM_THE_NEXT_SUNDAY,
        tags=["tendhunt", "ocds", "audit"],
        default_args={**TASK_DEFAULTS, "on_failure_callback": list(notify)},
        params=audit_params(),
        **DAG_DEFAULTS | {"start_date": None},  # with one, Airflow would not look at `run_immediately`
    ) as dag:
        for source in SOURCES.values():
            operators.CompletenessAuditOperator(task_id=f"audit_{source.dag_id}", source=source.name)
    return dag


def freshness_dag(doc_md: str | None, notify: Sequence[BaseNotifier]) -> DAG:
    """Build the check of how fresh each source is: twice an hour, at ten minutes or more from the start of a sync."""
    with DAG(
        dag_id="freshness",
        description="Fails once, with how stale and why, when a source is older than it may be; twice an hour",
        doc_md=doc_md,
        schedule="10,40 * * * *",
        tags=["tendhunt", "ocds", "freshness"],
        default_args={
            **TASK_DEFAULTS,
            "retries": 0,  # another look a minute later would find the same, and report it later
            "execution_timeout": timedelta(minutes=5),
            "on_failure_callback": list(notify),
        },
        **DAG_DEFAULTS,
    ) as dag:
        for source in SOURCES.values():
            operators.FreshnessCheckOperator(task_id=f"check_{source.dag_id}", source=source.name)
    return dag
