"""Airflow operators: thin skins over `sync.sync_source` and what hangs on a source's transition."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, BaseOperator

from tender_sync.clock import SystemClock
from tender_sync.failures import as_airflow_knows_it
from tender_sync.jobs import SyncJobs
from tender_sync.mongo import MONGO_CONN_ID, database
from tender_sync.sources import SOURCES
from tender_sync.stats import Stats
from tender_sync.store import Store
from tender_sync.sync import sync_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from tender_sync.sources import Source


def contracts_asset(source: Source) -> Asset:
    """Return the asset that gets an event whenever contracts of `source` were created or updated."""
    return Asset(name=f"{source.dag_id}_contracts", uri=f"tendhunt://contracts/{source.name}")


def contracts_alias(source: Source) -> AssetAlias:
    """Return the alias through which the sync task emits that event only when there is something to tell."""
    return AssetAlias(f"{source.dag_id}_contracts_changed")


def transition_asset(source: Source) -> Asset:
    """Return the asset that gets its one event when the backfill of `source` is complete."""
    return Asset(name=f"{source.dag_id}_backfilled", uri=f"tendhunt://backfilled/{source.name}")


class TenderSyncOperator(BaseOperator):
    """Bring one source forward: fetch, map and upsert pages from where the last run stopped.

    Returns the run's record (counts, watermark, outcome) as its XCom. Ends in order when a budget is spent; a killed
    task ends before its next page. Skipped when another run holds the source.

    :param source: name of the source, such as FIND_A_TENDER
    :param max_items_per_run: releases after which the run ends; None for no limit (templated)
    :param time_budget_minutes: minutes after which the run ends (templated)
    """

    template_fields: Sequence[str] = ("max_items_per_run", "time_budget_minutes")
    ui_color = "#d4e7f5"

    def __init__(
        self,
        *,
        source: str,
        max_items_per_run: int | str | None = None,
        time_budget_minutes: float | str = 59.5,
        mongo_conn_id: str = MONGO_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(outlets=[contracts_alias(SOURCES[source])], **kwargs)
        self.source = source
        self.max_items_per_run = max_items_per_run
        self.time_budget_minutes = time_budget_minutes
        self.mongo_conn_id = mongo_conn_id
        self._killed = False

    def execute(self, context: Context) -> dict[str, Any]:
        """Do one run; see `sync.sync_source`."""
        source = SOURCES[self.source]
        run_id = context["run_id"]
        with as_airflow_knows_it():
            result = sync_source(
                source,
                # Without the try number: a retry takes over its own lease.
                owner=f"{self.dag_id}/{run_id}/{self.task_id}",
                run_id=run_id,
                time_budget=timedelta(minutes=float(self.time_budget_minutes)),
                max_items_per_run=_optional_int(self.max_items_per_run),
                stopping=lambda: self._killed,
                mongo_conn_id=self.mongo_conn_id,
            )
        if result.changed:
            changes = {key: result.record.get(key, 0) for key in ("created", "updated")}
            context["outlet_events"][contracts_alias(source)].add(contracts_asset(source), extra=changes)
        return _readable(result.record)

    def on_kill(self) -> None:
        """End the loop at the next page, or at once while it waits."""
        self._killed = True


class RecountBuyersOperator(BaseOperator):
    """Set every buyer's contractCount to the number of its contracts; returns how many were wrong.

    The source's counts by day, stage and sector are counted anew as well.
    """

    ui_color = "#e4f0d8"

    def __init__(self, *, source: str, mongo_conn_id: str = MONGO_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.mongo_conn_id = mongo_conn_id

    def execute(self, context: Context) -> int:
        """Recount; see `store.Store.recount_buyers` and `stats.Stats.recount`."""
        source, clock = SOURCES[self.source], SystemClock()
        with as_airflow_knows_it(), database(self.mongo_conn_id) as db:
            jobs = SyncJobs(db, source, clock, owner="recount", run_id=context["run_id"])
            corrected = Store(db, source, jobs, clock).recount_buyers()
            Stats(db, source).recount(clock)
        self.log.info("buyers recounted: %d had a wrong contractCount", corrected)
        return corrected


class AnnounceTransitionOperator(BaseOperator):
    """Announce, in the log and as an asset event, that a source's history is complete and hourly syncing has begun."""

    ui_color = "#f5e9d4"

    def __init__(self, *, source: str, **kwargs: Any) -> None:
        super().__init__(outlets=[transition_asset(SOURCES[source])], **kwargs)
        self.source = source

    def execute(self, context: Context) -> None:
        """Announce it."""
        source = SOURCES[self.source]
        self.log.info("%s: the backfill is complete; from now on each run brings what is new or changed", source.title)
        context["outlet_events"][transition_asset(source)].extra = {"source": source.name}


def _optional_int(value: int | str | None) -> int | None:
    return None if value in (None, "", "None") else int(value)


def _readable(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in record.items()}
