"""Airflow operators: thin layers over `pipeline`.

They import what they run when they run it: Airflow parses the DAG files, and so this one, every few seconds.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from tender_sync.clock import SystemClock
from tender_sync.orchestration.metrics import count_page, gauge_age
from tender_sync.orchestration.params import ALL
from tender_sync.orchestration.translate_errors import translate_errors
from tender_sync.sources import MONGO_CONN_ID, SOURCES
from tender_sync.sources.base import Source

if TYPE_CHECKING:
    from tender_sync.pipeline.run import RunOptions


def contracts_asset(source: Source) -> Asset:
    """Return the asset of a source's contracts.

    A run adds an event when contracts were created or updated since the last event. Those of a failed run and of an
    audit count in the next run's event, those of a remap in none.
    """
    return Asset(name=f"{source.dag_id}_contracts", uri=f"tendhunt://contracts/{source.name}")


def contracts_alias(source: Source) -> AssetAlias:
    """Return the alias through which the sync task emits that event, and only when something changed."""
    return AssetAlias(f"{source.dag_id}_contracts_changed")


def transition_asset(source: Source) -> Asset:
    """Return the asset that gets its only event when the backfill of `source` is complete."""
    return Asset(name=f"{source.dag_id}_backfilled", uri=f"tendhunt://backfilled/{source.name}")


class MongoOperator(BaseOperator):
    """Base of the operators that work on the product's MongoDB."""

    def __init__(self, *, mongo_conn_id: str = MONGO_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mongo_conn_id = mongo_conn_id
        self._killed = False

    def on_kill(self) -> None:
        """End in order: after the current page or batch, or at once while waiting."""
        self._killed = True


class SourceOperator(MongoOperator):
    """Base of the operators that work on one source; `source` is its name, such as FIND_A_TENDER."""

    def __init__(self, *, source: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source

    def _options(self, context: Context) -> RunOptions:
        from tender_sync.pipeline.run import RunOptions

        run_id = context["run_id"]
        return RunOptions(
            owner=f"{self.dag_id}/{run_id}/{self.task_id}",  # without the try number: a retry takes over its own lease
            run_id=run_id,
            stop_requested=lambda: self._killed,
            on_commit=partial(count_page, SOURCES[self.source]),
        )


class TenderSyncOperator(SourceOperator):
    """Does one run of one source, as the trigger form asks; by default it goes on from where the last run stopped.

    The form is `params.source_params`. Returns the run's record (counts, watermark, outcome) as its XCom. Ends in order
    when a budget is spent. A killed task ends before its next page. Skipped when another run holds the source.
    """

    ui_color = "#d4e7f5"

    def __init__(self, *, source: str, **kwargs: Any) -> None:
        super().__init__(source=source, outlets=[contracts_alias(SOURCES[source])], **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Do one run; see `modes.run_source`."""
        from tender_sync.pipeline.modes import run_source

        source, mongo = SOURCES[self.source], self.mongo_conn_id
        options, hour = self._options(context), _backfill_of(context)
        with translate_errors():
            record = run_source(source, context["params"], options, backfill_of=hour, mongo_conn_id=mongo)
        changes = record.get("changes", {})
        if any(changes.values()):
            context["outlet_events"][contracts_alias(source)].add(contracts_asset(source), extra=changes)
        return readable(record)


class CompletenessAuditOperator(SourceOperator):
    """Audits one source and repairs what is missing, as the trigger form asks; returns the document of `syncAudits`.

    Fails for good when notices were missing, after it has brought them in. Skipped when another source was chosen.
    """

    ui_color = "#f5d4d4"

    def execute(self, context: Context) -> dict[str, Any]:
        """Do one audit; see `modes.audit_source`."""
        from tender_sync.pipeline.modes import audit_source

        source, params = SOURCES[self.source], context["params"]
        if (chosen := params.get("source", ALL)) not in (ALL, self.source):
            raise AirflowSkipException(f"this run audits {chosen} only")
        with translate_errors():
            return readable(audit_source(source, params, self._options(context), mongo_conn_id=self.mongo_conn_id))


class FreshnessCheckOperator(SourceOperator):
    """Fails, once, when a source is staler than it may be; returns the age of its watermark in seconds."""

    ui_color = "#d9ecf2"

    def execute(self, context: Context) -> float:
        """Check it; see `freshness.check_freshness`."""
        from tender_sync.connections import database
        from tender_sync.pipeline.freshness import check_freshness

        source = SOURCES[self.source]
        with translate_errors(), database(self.mongo_conn_id) as db:
            age = check_freshness(db, source, SystemClock(), context["run_id"], on_age=partial(gauge_age, source))
        return age.total_seconds()


class RecountBuyersOperator(SourceOperator):
    """Sets every buyer's contractCount to the number of its contracts; returns how many were wrong.

    Counts the source's contracts by day, stage and sector anew as well.
    """

    ui_color = "#e4f0d8"

    def execute(self, context: Context) -> int:  # noqa: ARG002 - Airflow passes it
        """Recount; see `Buyers.recount_buyers` and `ContractCounts.recount`."""
        from tender_sync.connections import database
        from tender_sync.storage.buyers import Buyers
        from tender_sync.storage.contract_counts import ContractCounts

        source, clock = SOURCES[self.source], SystemClock()
        with translate_errors(), database(self.mongo_conn_id) as db:
            corrected = Buyers(db, clock).recount_buyers()
            ContractCounts(db, source).recount()
        self.log.info("buyers recounted: %d had a wrong contractCount", corrected)
        return corrected


class RemapContractsOperator(MongoOperator):
    """Maps stored contracts again with the current mapper, as the trigger form asks; returns what it did, by source.

    A killed task ends before its next batch.
    """

    ui_color = "#e4f0d8"

    def execute(self, context: Context) -> dict[str, dict[str, Any]]:
        """Do it; see `remap.remap_contracts`."""
        from tender_sync.connections import database
        from tender_sync.pipeline.remap import remap_contracts
        from tender_sync.pipeline.run_request import read_time_budget
        from tender_sync.storage.schema import ensure_schema

        params = context["params"]
        chosen = list(SOURCES.values()) if params["source"] == "both" else [SOURCES[params["source"]]]
        with translate_errors(), database(self.mongo_conn_id) as db:
            ensure_schema(db)
            return remap_contracts(
                db,
                chosen,
                SystemClock(),
                dry_run=params["dry_run"],
                time_budget=read_time_budget(params),
                stop_requested=lambda: self._killed,
            )


class AnnounceTransitionOperator(SourceOperator):
    """Announces, in the log and as an asset event, that a source's history is complete and hourly syncing has begun."""

    ui_color = "#f5e9d4"

    def __init__(self, *, source: str, **kwargs: Any) -> None:
        super().__init__(source=source, outlets=[transition_asset(SOURCES[source])], **kwargs)

    def execute(self, context: Context) -> None:
        """Announce it."""
        source = SOURCES[self.source]
        self.log.info("%s: the backfill is complete; from now on each run brings what is new or changed", source.title)
        context["outlet_events"][transition_asset(source)].extra = {"source": source.name}


def _backfill_of(context: Context) -> datetime | None:
    """Return the logical date of a run that `airflow backfill create` made, None for any other run."""
    run = context.get("dag_run")
    return run.logical_date if run and run.run_type == "backfill" else None


def readable(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as an XCom can hold it: times as text, without `_id`."""
    return {key: _readable(value) for key, value in record.items() if key != "_id"}


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return readable(value)
    return value.isoformat() if isinstance(value, datetime) else value
