"""Reads what a run is asked to do from the trigger form's values, or refuses them in one sentence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

from tender_sync.errors import FixSetup
from tender_sync.timestamps import parse_timestamp
from tender_sync.windows import TimeRange

# `@hourly` runs carry no interval of their own in Airflow 3: a run stands for the hour that ends with its logical date.
RUNS_HOUR = timedelta(hours=1)


class Mode(StrEnum):
    """What a run does; the values are those of the form, and of `syncRuns.mode` for all but the normal one."""

    NORMAL = "normal"
    REPLAY = "replay"
    DRY_RUN = "dry_run"
    REPLAY_REJECTED = "replay_rejected"
    RESET = "reset"


@dataclass(frozen=True)
class RunRequest:
    """What one run is asked to do. `window`: the range to read again; None for what would come next."""

    mode: Mode
    time_budget: timedelta
    max_items: int | None = None
    window: TimeRange | None = None
    backfill_start: datetime | None = None
    confirmation: str | None = None


# Which of the form's fields each mode uses, beside the budgets.
_FIELDS: Mapping[Mode, frozenset[str]] = {
    Mode.NORMAL: frozenset({"backfill_start"}),
    Mode.REPLAY: frozenset({"window_from", "window_to"}),
    Mode.DRY_RUN: frozenset({"window_from", "window_to"}),
    Mode.REPLAY_REJECTED: frozenset(),
    Mode.RESET: frozenset({"backfill_start", "confirm"}),
}
_ALL_FIELDS = ("window_from", "window_to", "backfill_start", "confirm")


def read_run_request(params: Mapping[str, Any], now: datetime, *, backfill_of: datetime | None = None) -> RunRequest:
    """Read the form's values; `backfill_of` is the logical date of a run that `airflow backfill create` made.

    Such a run replays its hour, unless its conf asks for something else. Fields that the mode does not use must be
    empty: whoever filled them in expected something of them.

    :raises FixSetup: they do not fit together
    """
    mode = Mode(params.get("mode") or Mode.NORMAL)
    given = {name: str(params[name]).strip() for name in _ALL_FIELDS if params.get(name)}
    if unused := sorted(given.keys() - _FIELDS[mode]):
        _refuse(f"{' and '.join(unused)} mean nothing in mode {mode}", "empty them, or choose another mode")
    window = read_window(given, now)
    if mode is Mode.REPLAY and window is None:
        _refuse("mode replay needs window_from and window_to", "give both, in UTC")
    if backfill_of and mode is Mode.NORMAL:
        mode, window = Mode.REPLAY, TimeRange(backfill_of - RUNS_HOUR, min(backfill_of, now))
    start, items = given.get("backfill_start"), params.get("max_items_per_run")
    return RunRequest(
        mode=mode,
        time_budget=read_time_budget(params),
        max_items=None if items is None else int(items),
        window=window,
        backfill_start=None if start is None else _past(start, "backfill_start", now),
        confirmation=given.get("confirm"),
    )


def read_time_budget(params: Mapping[str, Any]) -> timedelta:
    """Read the form's `time_budget_minutes`; raise FixSetup if it is not finite."""
    minutes = float(params["time_budget_minutes"])
    # Python's JSON can say NaN, which passes the form: it is not out of any range.
    if not math.isfinite(minutes):
        _refuse(f"time_budget_minutes is {minutes}", "give a number of minutes")
    return timedelta(minutes=minutes)


def read_window(params: Mapping[str, Any], now: datetime) -> TimeRange | None:
    """Read the form's `window_from` and `window_to`: both or neither; an end in the future becomes now.

    :raises FixSetup: they are no range of time in the past
    """
    first, last = params.get("window_from"), params.get("window_to")
    if not first and not last:
        return None
    if not first or not last:
        _refuse("only one of window_from and window_to is given", "give both, in UTC")
    start, end = _past(first, "window_from", now), parse_timestamp(last, "window_to")
    if start >= end:
        _refuse(f"window_from {first} is not before window_to {last}", "give the earlier moment first, in UTC")
    return TimeRange(start, min(end, now))


def _past(text: str, name: str, now: datetime) -> datetime:
    moment = parse_timestamp(text, name)
    if moment >= now:
        _refuse(f"{name} {text} lies in the future", f"it is {now:%Y-%m-%d %H:%M} UTC")
    return moment


def _refuse(reason: str, remedy: str) -> NoReturn:
    raise FixSetup(f"nothing was done: {reason}; {remedy}. Trigger the DAG again with a corrected form")
