"""How a run ended, as code decides by it; what a person reads of it stands beside it as a reason."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a run, or an audit, ended. The values are stored in `outcome` of `syncRuns` and `syncAudits`."""

    DONE = "done"
    ITEM_BUDGET_SPENT = "item budget spent"
    TIME_BUDGET_SPENT = "time budget spent"
    TOLD_TO_STOP = "told to stop"
    PLAN_SHOWN = "plan shown, nothing changed"
    RESET = "reset"
    FAILED = "failed"
    DIED = "died"

    @property
    def task_succeeds(self) -> bool:
        """Whether the Airflow task of such a run is a success, so that Airflow takes its asset events."""
        return self not in {Outcome.TOLD_TO_STOP, Outcome.FAILED, Outcome.DIED}
