"""Waits end on time, heed a stop within a second, keep the lease, and never outlast the run's budget."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from tender_sync.errors import FinishEarly
from tender_sync.run_budget import RunBudget
from tender_sync.run_meter import RunMeter
from tests.support.clocks import SimulatedClock


def budget(clock, *, budget=3600.0, renewals=None, stop_requested=lambda: False, meter=None):
    renewals = [] if renewals is None else renewals
    return RunBudget(
        clock,
        clock.now() + timedelta(seconds=budget),
        renew=lambda: renewals.append(clock.now()),
        stop_requested=stop_requested,
        meter=meter or RunMeter(),
    )


def test_a_wait_lasts_what_it_should_and_is_summed():
    clock = SimulatedClock()
    meter = RunMeter()
    waiting = budget(clock, meter=meter)
    waiting.wait(10.05, "pace")
    waiting.wait(2.5, "pace")
    assert sum(clock.slept) == pytest.approx(12.55)
    assert meter.uncommitted()["waitedSeconds"] == 13
    meter.committed({"waitedSeconds": 13})
    waiting.wait(0.9, "pace")
    assert meter.uncommitted()["waitedSeconds"] == 0, "what was rounded up is not counted again"


def test_a_long_wait_keeps_the_lease_and_is_said(caplog):
    clock, renewals = SimulatedClock(), []
    with caplog.at_level(logging.INFO):
        budget(clock, renewals=renewals).wait(300, "the next request to CONTRACTS_FINDER")
    assert len(renewals) == 10
    assert "waiting 300 s, until 12:05:00 UTC: the next request to CONTRACTS_FINDER" in caplog.text


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_changes_no_wait(hours):
    """Without it the lease is not renewed, and the API's Retry-After not kept."""
    clock, renewals = SimulatedClock(), []
    waiting = budget(clock, budget=3 * 3600, renewals=renewals)
    sleep = clock.sleep

    def sleep_and_be_set(seconds):
        sleep(seconds)
        if len(clock.slept) == 100:
            clock.advance(timedelta(hours=hours))

    clock.sleep = sleep_and_be_set
    waiting.wait(300, "Retry-After")
    assert sum(clock.slept) == pytest.approx(300)
    assert len(renewals) == 10


def test_the_usual_pace_is_not_said(caplog):
    with caplog.at_level(logging.INFO):
        budget(SimulatedClock()).wait(10.05, "pace")
    assert caplog.text == ""


def test_a_stop_is_heeded_within_a_second():
    clock = SimulatedClock()
    end = clock.now() + timedelta(seconds=7)
    with pytest.raises(FinishEarly, match="told to stop"):
        budget(clock, stop_requested=lambda: clock.now() >= end).wait(300, "Retry-After")
    assert sum(clock.slept) == pytest.approx(7)


def test_a_wait_past_the_budget_ends_the_run_at_once():
    clock = SimulatedClock()
    with pytest.raises(FinishEarly, match="Retry-After lasts until 12:05:00 UTC"):
        budget(clock, budget=299).wait(300, "Retry-After")
    assert clock.slept == []


def test_between_pages_a_run_ends_when_its_time_is_spent_or_it_is_stopped():
    clock = SimulatedClock()
    waiting = budget(clock, budget=60)
    waiting.check()
    clock.sleep(60)
    with pytest.raises(FinishEarly, match="time budget spent"):
        waiting.check()
    with pytest.raises(FinishEarly, match="told to stop"):
        budget(clock, stop_requested=lambda: True).check()
