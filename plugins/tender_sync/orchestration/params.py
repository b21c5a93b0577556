"""The trigger forms, as Airflow's Params: what can be checked here is refused by the form and the API alike.

What only shows when several fields are read together is refused by `orders`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

if TYPE_CHECKING:
    from tender_sync.sources.base import Source

# A run that backfills lasts until just before the next one starts, so that hardly an allowed request is left unused.
TIME_BUDGET_MINUTES = 59.5
# Years of four digits from 2000 on: a slip such as 0202 would be walked through for days, or not be read back. And no
# format "date-time": the field it makes takes the time zone of the browser, under whatever title.
_MOMENT = r"^20\d{2}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_MODES = {
    "normal": "normal: go on from where the last run stopped",
    "replay": "replay: read a range of time again; cursor and watermark stay",
    "dry_run": "dry run: read, and only say what would change",
    "replay_rejected": "replay rejected: try the kept rejected releases again, without the API",
    "reset": "reset: read the whole history again (first shows a plan)",
}


def source_params(source: Source) -> dict[str, Param]:
    """Make the form of a source's DAG."""
    return {
        "mode": Param(
            "normal",
            type="string",
            enum=list(_MODES),
            values_display=_MODES,
            title="Mode",
            description="What this run does. Scheduled runs are normal.",
        ),
        **range_params("Needed by replay. A dry run without a range looks at what the next normal run would read."),
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


def range_params(when: str) -> dict[str, Param]:
    """Make the two fields of a range of time."""
    return {
        "window_from": _moment("From", f"The range's first moment. {when}"),
        "window_to": _moment("To", "The range's last moment; one in the future means now."),
    }


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


def _moment(title: str, description: str) -> Param:
    example = "As 2026-06-01, 2026-06-01T06:00 or, in another zone, 2026-06-01T06:00+01:00."
    return Param(
        None, type=["null", "string"], pattern=_MOMENT, title=f"{title} (UTC)", description=f"{description} {example}"
    )
