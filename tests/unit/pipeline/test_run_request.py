"""The trigger form: what Airflow's Params refuse, and what only shows when its fields are read together."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError

from tender_sync.errors import FixSetup
from tender_sync.orchestration.params import source_params
from tender_sync.pipeline.run_request import Mode, RunRequest, read_run_request
from tender_sync.sources import FIND_A_TENDER, SOURCES
from tender_sync.windows import TimeRange

NOW = datetime(2026, 11, 25, 9, 30, 15, tzinfo=UTC)
DAY = TimeRange(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC))
RANGE = {"window_from": "2026-06-01", "window_to": "2026-06-02T00:00:00Z"}


def filled(**fields):
    """Fill in the form as a person would: Airflow checks each field by its Param."""
    params = ParamsDict(source_params(FIND_A_TENDER))
    params.update(fields)
    return params.validate()


def order(**fields):
    return read_run_request(filled(**fields), NOW)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_untouched_form_is_a_normal_run_of_just_under_an_hour(source):
    untouched = read_run_request(ParamsDict(source_params(source)).validate(), NOW)
    assert untouched == RunRequest(Mode.NORMAL, timedelta(minutes=59.5))


def test_every_mode_can_be_chosen_and_is_described():
    mode = source_params(FIND_A_TENDER)["mode"]
    assert set(mode.schema["enum"]) == {str(each) for each in Mode} == set(mode.schema["values_display"])


def test_every_field_has_a_title_and_help():
    for name, param in source_params(FIND_A_TENDER).items():
        assert param.schema.get("title"), f"{name} has no title: give its Param one, the form shows it"
        assert param.description, f"{name} has no description: give its Param one, the form shows it"


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "repaly"},
        {"max_items_per_run": 0},
        {"max_items_per_run": 1.5},
        {"time_budget_minutes": 0},
        {"time_budget_minutes": 60},
        {"window_from": "yesterday"},
        {"window_to": "01/06/2026"},
        {"backfill_start": "2021"},
        {"backfill_start": "0202-01-01"},
        {"mode": "replay", "window_from": "0001-01-01", "window_to": "2026-06-02"},
        {"mode": "replay", "window_from": "2026-06-01", "window_to": "9999-12-31T23:59:59-01:00"},
        {"confirm": "x" * 41},
    ],
    ids=str,
)
def test_form_refuses(fields):
    with pytest.raises(ParamValidationError):
        filled(**fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mode": "replay"}, "mode replay needs window_from and window_to"),
        ({"mode": "replay", "window_from": "2026-06-01"}, "only one of window_from and window_to"),
        ({"mode": "dry_run", "window_to": "2026-06-01"}, "only one of window_from and window_to"),
        ({"mode": "replay", "window_from": "2026-06-02", "window_to": "2026-06-02"}, "is not before window_to"),
        ({"mode": "replay", "window_from": "2026-12-01", "window_to": "2026-12-02"}, "lies in the future"),
        ({"mode": "replay", "window_from": "2026-13-01", "window_to": "2026-12-02"}, "ISO 8601"),
        (RANGE, "window_from and window_to mean nothing in mode normal"),
        ({"mode": "replay_rejected", **RANGE}, "mean nothing in mode replay_rejected"),
        ({"mode": "reset", **RANGE}, "mean nothing in mode reset"),
        ({"confirm": "abc"}, "confirm mean nothing in mode normal"),
        ({"mode": "replay", "backfill_start": "2022-01-01", **RANGE}, "backfill_start mean nothing in mode replay"),
        ({"mode": "replay", "window_from": f"{NOW:%FT%TZ}", "window_to": "2026-12-02"}, "lies in the future"),
        ({"backfill_start": "2027-01-01"}, "backfill_start 2027-01-01 lies in the future"),
    ],
    ids=str,
)
def test_fields_that_do_not_fit_together_are_refused_with_a_sentence(fields, reason):
    with pytest.raises(FixSetup, match=reason):
        order(**fields)


def test_what_is_asked_is_understood():
    assert order(mode="replay", **RANGE).window == DAY
    assert order(mode="dry_run", **RANGE).window == DAY
    assert order(mode="dry_run").window is None
    # As other forms write it, and in another zone.
    assert (
        order(mode="replay", window_from="2026-06-01T00:00:00.000Z", window_to="2026-06-02T01:00:00+01:00").window
        == DAY
    )
    assert order(mode="reset", confirm=" a1b2 ").confirmation == "a1b2"
    assert order(backfill_start="2021-06-01").backfill_start == datetime(2021, 6, 1, tzinfo=UTC)
    assert order(max_items_per_run=7, time_budget_minutes=1.5) == RunRequest(Mode.NORMAL, timedelta(minutes=1.5), 7)


@pytest.fixture
def in_new_york(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_new_york")
def test_moment_without_a_zone_is_of_utc_wherever_the_machine_stands():
    assert order(mode="replay", window_from="2026-06-01", window_to="2026-06-02T00:00").window == DAY


def test_range_into_the_future_ends_now():
    window = order(mode="replay", window_from="2026-11-25", window_to="2026-11-26").window
    assert window == TimeRange(datetime(2026, 11, 25, tzinfo=UTC), NOW)


def test_run_of_an_airflow_backfill_replays_its_hour():
    asked = read_run_request(filled(), NOW, backfill_of=DAY.end)
    assert (asked.mode, asked.window) == (Mode.REPLAY, TimeRange(DAY.end - timedelta(hours=1), DAY.end))
    unfinished = read_run_request(filled(), NOW, backfill_of=NOW + timedelta(minutes=20))
    assert unfinished.window == TimeRange(NOW - timedelta(minutes=40), NOW), "a window never ends past now"
    with_conf = read_run_request(filled(mode="dry_run"), NOW, backfill_of=DAY.end)
    assert (with_conf.mode, with_conf.window) == (Mode.DRY_RUN, None)


def test_time_budget_that_is_no_number_is_refused():
    """The form lets NaN pass: it is not out of any range."""
    with pytest.raises(FixSetup, match="nothing was done: time_budget_minutes is nan; give a number"):
        order(time_budget_minutes=float("nan"))
    with pytest.raises(ParamValidationError):
        order(time_budget_minutes=float("inf"))
