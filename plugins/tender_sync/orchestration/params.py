"""The trigger forms, as Airflow's Params. Form and API alike refuse what can be checked here.

`run_request` refuses what shows only when several fields are read together.
"""

from airflow.sdk import Param

from tender_sync.pipeline.run_request import Mode
from tender_sync.sources import SOURCES
from tender_sync.sources.base import Source

# A run that backfills lasts until just before the next one starts, so that hardly an allowed request is left unused.
TIME_BUDGET_MINUTES = 59.5
# At six requests a minute 150 pages: a usual week of both sources, and over before the next hourly run begins.
AUDIT_MINUTES = 25
ALL = "all"
# Years of four digits from 2000 on: a run would walk for days through a slip such as 0202, or could not read it back.
# The format "date-time" is not used: its field takes the browser's time zone, whatever the title says.
_MOMENT = r"^20\d{2}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_MODES = {
    Mode.NORMAL: "normal: go on from where the last run stopped",
    Mode.REPLAY: "replay: read a range of time again; cursor and watermark stay",
    Mode.DRY_RUN: "dry run: read, and only say what would change",
    Mode.REPLAY_REJECTED: "replay rejected: try the kept rejected releases again, without the API",
    Mode.RESET: "reset: read the whole history again (first shows a plan)",
}


def source_params(source: Source) -> dict[str, Param]:
    """Make the form of a source's DAG."""
    return {
        "mode": Param(
            Mode.NORMAL.value,
            type="string",
            enum=[mode.value for mode in Mode],
            values_display={mode.value: _MODES[mode] for mode in Mode},
            title="Mode",
            description="What this run does. Scheduled runs are normal.",
        ),
        **_range_params("Needed by replay. A dry run without a range looks at what the next normal run would read."),
        "max_items_per_run": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Item budget",
            description="End the run after about this many releases; empty for no limit.",
        ),
        "time_budget_minutes": time_budget(TIME_BUDGET_MINUTES),
        "backfill_start": _moment(
            "Start of the backfill",
            f"Where the history begins, for a first run or a reset; empty for {source.history_start:%Y-%m-%d}, "
            "or BACKFILL_START_DATE where that is set.",
        ),
        "confirm": Param(
            None,
            type=["null", "string"],
            maxLength=40,
            title="Confirmation of a reset",
            description="Leave it empty to be shown what a reset would forget; then repeat the code the plan gives.",
        ),
    }


def audit_params() -> dict[str, Param]:
    """Make the form of the audit's DAG."""
    return {
        "source": source_choice(ALL, "Which source to audit; the other task is skipped."),
        **_range_params("Empty for what is due: the last eight days, and what the audit before did not reach."),
        "repair": Param(
            True, type="boolean", title="Repair", description="Bring in what is missing; else only report it."
        ),
        "time_budget_minutes": time_budget(AUDIT_MINUTES),
    }


def source_choice(every: str, description: str) -> Param:
    """Make the field that chooses a source, or `every`: the word for all of them."""
    return Param(every, type="string", enum=[every, *SOURCES], title="Source", description=description)


def time_budget(minutes: float) -> Param:
    """Make the field of a run's time budget, `minutes` by default."""
    return Param(
        minutes,
        type="number",
        exclusiveMinimum=0,
        maximum=TIME_BUDGET_MINUTES,
        title="Time budget (minutes)",
        description="End the run, in order, after this long.",
    )


def _range_params(when: str) -> dict[str, Param]:
    return {
        "window_from": _moment("From", f"The range's first moment. {when}"),
        "window_to": _moment("To", "The range's last moment; one in the future means now."),
    }


def _moment(title: str, description: str) -> Param:
    example = "As 2026-06-01, 2026-06-01T06:00 or, in another zone, 2026-06-01T06:00+01:00."
    return Param(
        None, type=["null", "string"], pattern=_MOMENT, title=f"{title} (UTC)", description=f"{description} {example}"
    )
