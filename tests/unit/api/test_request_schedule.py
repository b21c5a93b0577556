"""The pace as a pure schedule: bursts, hold-offs, and clocks that are set back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tender_sync.api.request_schedule import LONGEST_HOLD_OFF, RequestLimit, RequestSchedule

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LIMIT = RequestLimit(burst=3, period=timedelta(seconds=30))
STEPS = st.lists(st.tuples(st.floats(0, 60), st.none() | st.floats(0, LONGEST_HOLD_OFF)), max_size=40)


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def reserve(count, schedule=RequestSchedule(), now=NOON):  # noqa: B008 - frozen
    starts = []
    for _ in range(count):
        schedule = schedule.reserve(now, LIMIT)
        starts.append((schedule.starts[-1] - NOON).total_seconds())
    return starts, schedule


def test_a_burst_starts_at_once_and_the_next_one_a_period_later():
    assert reserve(7)[0] == [0, 0, 0, 30, 30, 30, 60]


def test_a_slot_is_free_a_period_after_the_one_a_burst_ago():
    schedule = RequestSchedule((after(-25), after(-10), after(-1)))
    assert reserve(4, schedule)[0] == [5, 20, 29, 35]


def test_a_smaller_burst_than_before_counts_its_own_latest_starts():
    schedule = RequestSchedule(tuple(after(-n) for n in range(12, 0, -1)))
    assert reserve(1, schedule)[0] == [27]


def test_the_longest_hold_off_counts():
    schedule = RequestSchedule().hold_off(NOON, LIMIT, 90).hold_off(NOON, LIMIT, 10)
    assert schedule.held_until == after(90)
    assert reserve(4, schedule)[0] == [90, 90, 90, 120]
    assert reserve(1, schedule, now=after(100))[0] == [100]


def test_what_a_clock_wrote_before_it_was_set_back_counts_as_written_now():
    ahead = LONGEST_HOLD_OFF + 10 * 30 + 1
    assert reserve(1, RequestSchedule((after(ahead),) * 3))[0] == [30]
    assert reserve(1, RequestSchedule((after(ahead - 1),) * 3))[0] == [ahead - 1 + 30], "as far as tasks can wait"
    assert reserve(1, RequestSchedule(held_until=after(LONGEST_HOLD_OFF + 1)))[0] == [0]
    assert reserve(1, RequestSchedule(held_until=after(LONGEST_HOLD_OFF)))[0] == [LONGEST_HOLD_OFF]


@given(STEPS)
def test_no_period_ever_holds_more_than_a_burst(steps):
    """Each task waits for its slot before the next asks, as one run does."""
    now, schedule, starts = NOON, RequestSchedule(), []
    for passed, held_off in steps:
        now += timedelta(seconds=passed)
        if held_off is not None:
            schedule = schedule.hold_off(now, LIMIT, held_off)
        schedule = schedule.reserve(now, LIMIT)
        now = schedule.starts[-1]
        starts.append(now)
    assert starts == sorted(starts)
    assert all(later - earlier >= LIMIT.period for earlier, later in zip(starts, starts[LIMIT.burst :], strict=False))
    assert len(schedule.starts) <= LIMIT.burst
