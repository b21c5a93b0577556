"""The sensor that detects a source's transition from backfilling to syncing."""

from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowSkipException

from tender_sync.orchestration.translate_errors import translate_errors
from tender_sync.sources import MONGO_CONN_ID, SOURCES


class BackfillCompletedSensor(BaseSensorOperator):
    """Succeeds in the one run that completed a source's backfill; in every other run it is skipped, with the reason.

    Only this source's own sync task can cause the transition, so one look right after it misses nothing. The sensor
    never waits, and hourly runs go on while a backfill lasts days. A cleared run finds its transition again, so the
    tasks after it must tolerate a repetition.
    """

    ui_color = "#efe1f5"

    def __init__(self, *, source: str, mongo_conn_id: str = MONGO_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.mongo_conn_id = mongo_conn_id

    def poke(self, context: Context) -> PokeReturnValue:
        """Claim the transition for this run, or skip."""
        from tender_sync.connections import database
        from tender_sync.storage.sync_jobs import claim_transition

        with translate_errors(), database(self.mongo_conn_id) as db:
            why_not = claim_transition(db, SOURCES[self.source], context["run_id"])
        if why_not:
            raise AirflowSkipException(why_not)
        self.log.info("this run completed the backfill of %s", SOURCES[self.source].title)
        return PokeReturnValue(is_done=True, xcom_value=self.source)
