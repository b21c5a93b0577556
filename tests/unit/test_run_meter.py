"""What a run used is stored once: a commit takes off what it stored, and what it did not store stays."""

from __future__ import annotations

from tender_sync.run_meter import COUNTERS, RunMeter, describe_counts


def test_what_no_commit_stored_is_still_there():
    meter = RunMeter()
    meter.add(requests=2, waitedSeconds=10.4)
    page = meter.uncommitted()
    assert page == {"requests": 2, "waitedSeconds": 10}
    meter.add(requests=1)  # the next page was asked for while this one was committed
    meter.committed({**page, "fetched": 100})
    assert meter.uncommitted() == {"requests": 1, "waitedSeconds": 0}
    assert meter.total == {"requests": 2, "waitedSeconds": 10, "fetched": 100}


def test_seconds_waited_are_counted_whole_and_none_is_lost():
    meter = RunMeter()
    for _ in range(10):
        meter.add(waitedSeconds=0.4)
        meter.committed(meter.uncommitted())
    assert meter.total["waitedSeconds"] == 4


def test_counts_in_words():
    counts = {name: n for n, name in enumerate(COUNTERS)}
    assert describe_counts(counts) == (
        "0 fetched = 1 new + 2 changed + 3 unchanged + 4 rejected + 5 doubled; 6 requests, 8 windows, 10 s waited"
    )
    assert describe_counts({}).startswith("0 fetched")
