"""What the page shows for given documents, without Airflow and MongoDB."""

from __future__ import annotations

import json
import time
import tracemalloc
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER
from tender_sync.web.queries import REJECTED_COUNTED, SourceDocuments
from tender_sync.web.view import RAW_SHOWN, overview, rejected_release, source_view, without_credentials

NOW = datetime(2026, 6, 5, 15, tzinfo=UTC)  # a Friday
HOUR = timedelta(hours=1)
NOTHING = SourceDocuments(FIND_A_TENDER, None, [], [], [], 0, None)


def job(**changes):
    backfilling = {
        "status": "backfilling",
        "backfillStartDate": "2026-01-01T00:00:00Z",
        "backfillCompletedAt": None,
        "lastSyncedDate": None,
        "window": None,
        "failures": 0,
        "totalFetched": 0,
        "errorLog": [],
        "suspectWindows": [],
        "lease": None,
    }
    return backfilling | changes


def run(began, *, hours=0.5, **changes):
    ended = {
        "runId": "run",
        "startedAt": began,
        "endedAt": began + hours * HOUR,
        "outcome": "done",
        "mode": "backfilling",
    }
    return ended | changes


def view(source=FIND_A_TENDER, **documents):
    return source_view(replace(NOTHING, source=source, **documents), NOW)


SYNCING = job(
    status="syncing",
    backfillCompletedAt=NOW - 48 * HOUR,
    lastSyncedDate="2026-06-05T14:00:00Z",
)


def test_source_that_never_ran_says_what_to_do():
    for source in (FIND_A_TENDER, CONTRACTS_FINDER):
        shown = view(source)
        assert (shown["mode"], shown["watermark"], shown["lastRun"], shown["lease"]) == ("never run", None, None, None)
        assert source.dag_id in shown["sentence"]
        assert shown["audit"] is None
        assert shown["backfill"] is None
        assert not shown["stale"]
    json.dumps(overview([NOTHING], [], NOW))


def test_backfill_is_measured_by_the_last_days_runs():
    """Two half-hour runs moved the watermark by 30 of the 155.6 days, and fetched 3,000."""
    backfilling = job(lastSyncedDate="2026-02-10T00:00:00Z", totalFetched=4000)
    runs = [
        run(NOW - HOUR, fetched=2000, watermark=datetime(2026, 2, 10, tzinfo=UTC)),
        run(NOW - 2 * HOUR, fetched=1000, watermark=datetime(2026, 2, 1, tzinfo=UTC)),
        run(NOW - 30 * HOUR, fetched=1000, watermark=datetime(2026, 1, 11, tzinfo=UTC)),
    ]
    progress = view(job=backfilling, runs=runs)["backfill"]
    assert progress["share"] == pytest.approx(40 / 155.625)
    assert (progress["releases"], progress["releasesPerHour"]) == (4000, 3000)
    # 115.625 days are left, at 30 days in an hour of work.
    assert progress["expectedEnd"] == (NOW + HOUR * 115.625 / 30).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_first_run_on_its_way_is_measured_from_the_beginning():
    on_its_way = run(NOW - 6 * timedelta(minutes=1), endedAt=None, outcome=None, fetched=500)
    shown = view(job=job(lastSyncedDate="2026-01-02T00:00:00Z"), runs=[on_its_way])
    assert shown["backfill"]["releasesPerHour"] == 5000
    assert shown["backfill"]["expectedEnd"]
    assert shown["lastRun"]["outcome"] == "running"
    assert shown["lastRun"]["lastedSeconds"] == 360


def test_end_that_cannot_be_told_is_not_told():
    """No run in the last day, or none that came forward."""
    still = job(lastSyncedDate="2026-01-11T00:00:00Z")
    watermark = datetime(2026, 1, 11, tzinfo=UTC)
    long_ago = [run(NOW - 40 * HOUR, fetched=9, watermark=watermark)]
    assert view(job=still, runs=long_ago)["backfill"]["expectedEnd"] is None
    uncommitted_counts = [run(NOW - HOUR, fetched=0, watermark=watermark), *long_ago]
    assert view(job=still, runs=uncommitted_counts)["backfill"]["expectedEnd"] is None


def test_replay_is_no_progress_of_the_backfill():
    replay = run(NOW - HOUR, mode="replay", fetched=5000)
    runs = [replay, run(NOW - 2 * HOUR, fetched=1000)]
    progress = view(job=job(lastSyncedDate="2026-01-02T00:00:00Z"), runs=runs)["backfill"]
    assert progress["releasesPerHour"] == 2000


def test_run_that_was_killed_counts_as_no_longer_than_a_run_can_be():
    killed = run(NOW - 20 * HOUR, hours=19, outcome="died", fetched=1000)
    shown = view(job=job(lastSyncedDate="2026-01-02T00:00:00Z"), runs=[killed])
    assert shown["backfill"]["releasesPerHour"] == 1000


@pytest.mark.parametrize(
    ("changes", "mode", "said"),
    [
        ({}, "syncing", "what is new or changed"),
        ({"status": "error"}, "in error", "lost nothing"),
        ({"failures": 2}, "syncing", "2 runs in a row"),
        ({"backfillCompletedAt": None, "status": "backfilling"}, "backfilling", "2026-01-01"),
        ({"backfillCompletedAt": None, "status": "error"}, "in error", "2026-01-01"),
    ],
)
def test_mode_in_words(changes, mode, said):
    shown = view(job=SYNCING | changes)
    assert shown["mode"] == mode
    assert said in shown["sentence"]


@pytest.mark.parametrize(("hours", "stale"), [(1, False), (2.9, False), (3.1, True), (400, True)])
def test_old_watermark_is_stale_once_the_backfill_is_complete(hours, stale):
    old = (NOW - hours * HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = view(job=SYNCING | {"lastSyncedDate": old})
    assert shown["stale"] is stale
    assert shown["watermarkAgeSeconds"] == pytest.approx(hours * 3600, abs=1)
    assert not view(job=job(lastSyncedDate=old))["stale"], "a backfill is behind by nature"


def test_lease_names_its_holder_and_whether_it_is_over():
    lease = {"owner": "dag/run/sync", "takenAt": NOW, "expiresAt": NOW + HOUR}
    held = view(job=SYNCING | {"lease": lease})["lease"]
    assert held == {"owner": "dag/run/sync", "expiresAt": "2026-06-05T16:00:00Z", "expired": False}
    assert view(job=SYNCING | {"lease": lease | {"expiresAt": NOW}})["lease"]["expired"]


def test_errors_and_suspect_windows_come_newest_first():
    suspects = [{"from": NOW - 2 * HOUR, "to": NOW - HOUR, "reason": reason, "at": NOW} for reason in ("old", "new")]
    shown = view(job=SYNCING | {"errorLog": ["first", "second"], "suspectWindows": suspects})
    assert shown["errors"] == ["second", "first"]
    assert [each["reason"] for each in shown["suspects"]] == ["new", "old"]


def month(name, days, **counts):
    return {"source": FIND_A_TENDER.name, "month": name, "contracts": sum(days.values()), "days": days, **counts}


def test_stored_contracts_add_up_over_months():
    months = [
        month("2026-06", {"01": 3}, stages={"TENDER": 2, "AWARD": 1}, sectors={"Construction": 3}),
        month("2026-05", {"29": 4}, stages={"TENDER": 4, "PLANNING": 0}, sectors={"none": 3, "Construction": 1}),
        {"source": FIND_A_TENDER.name, "month": "undated", "contracts": 1, "stages": {"AWARD": 1}},
    ]
    shown = view(job=SYNCING, months=months)
    assert (shown["contracts"], shown["undated"]) == (8, 1)
    assert shown["stages"] == [{"name": "TENDER", "contracts": 6}, {"name": "AWARD", "contracts": 2}]
    assert shown["sectors"][0] == {"name": "Construction", "contracts": 4}
    assert shown["months"] == [{"month": "2026-05", "contracts": 4}, {"month": "2026-06", "contracts": 3}]
    days = {day["day"]: day["contracts"] for day in shown["days"]}
    assert len(days) == 90
    assert (days["2026-06-01"], days["2026-05-29"], max(days)) == (3, 4, "2026-06-05")


def gaps(shown):
    return [day["day"] for day in shown["days"] if day["gap"]]


def test_gap_is_a_whole_working_day_that_was_read_and_has_no_notice():
    """Read from Thursday 28 May to Friday 5 June, of which only Wednesday has notices."""
    read = SYNCING | {"backfillStartDate": "2026-05-28T00:00:00Z"}
    assert gaps(view(job=read, months=[month("2026-06", {"03": 1})])) == [
        "2026-05-29",
        "2026-06-01",
        "2026-06-02",
        "2026-06-04",
    ]
    assert gaps(view(job=read | {"lastSyncedDate": "2026-06-02T12:00:00Z"})) == ["2026-05-29", "2026-06-01"]
    assert gaps(view(job=read | {"lastSyncedDate": None})) == gaps(view()) == [], "nothing was read yet"


def test_days_of_a_backfill_end_where_it_is():
    shown = view(job=job(lastSyncedDate="2026-02-10T06:00:00Z"))
    assert shown["days"][-1]["day"] == "2026-02-10"


def test_audit_is_shown_by_its_numbers_and_the_first_notices_it_found():
    found = {"windowsChecked": 96, "missing": 2, "stale": 1, "repaired": 3}
    audit = found | {"startedAt": NOW - HOUR, "endedAt": NOW, "from": NOW - 192 * HOUR, "to": NOW, "outcome": "done"}
    shown = view(job=SYNCING, audit=audit | {"named": [f"{n}-2026" for n in range(50)]})["audit"]
    assert {name: shown[name] for name in found} == found
    assert (shown["outcome"], shown["from"]) == ("done", "2026-05-28T15:00:00Z")
    assert (len(shown["named"]), shown["named"][0]) == (10, "0-2026")
    assert view(audit=audit | {"endedAt": None, "outcome": None})["audit"]["outcome"] == "running"


def test_rejected_releases_are_counted_up_to_a_bound():
    shown = view(rejected_count=REJECTED_COUNTED)["rejected"]
    assert shown == {"count": REJECTED_COUNTED, "orMore": True, "latest": []}
    assert not view(rejected_count=3)["rejected"]["orMore"]


def test_raw_release_is_shown_as_kept():
    kept = {"_id": "65", "noticeId": None, "reason": "it has no id", "createdAt": NOW, "runId": "run"}
    assert json.loads(rejected_release(kept | {"raw": {"title": "é"}})["raw"]) == {"title": "é"}
    assert rejected_release(kept | {"rawZlib": zlib.compress(b"{bro\xffken")})["raw"] == "{bro\ufffdken"
    assert rejected_release(kept)["raw"] == "nothing was kept"


def test_very_long_raw_release_is_cut():
    bomb = {"_id": "65", "reason": "too long", "rawZlib": zlib.compress(b"x" * 50_000_000)}
    tracemalloc.start()
    shown = rejected_release(bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(shown["raw"]), shown["cut"]) == (RAW_SHOWN, True)
    assert most < 10_000_000, "it was unpacked whole"
    assert rejected_release(bomb | {"rawZlib": zlib.compress(b"x" * (RAW_SHOWN + 1))})["cut"]


@pytest.mark.parametrize(
    "text",
    [
        "cannot connect to mongodb://tendhunt:s3cret@db.example:27017/tendhunt",
        "MongoDB at tendhunt:s3cret@db.example (connection 'tendhunt_mongo') cannot be reached",
        "https://user:s3cret@api.example/path failed",
    ],
)
def test_credentials_in_an_address_are_left_out(text):
    shown = without_credentials(text)
    assert "s3cret" not in shown
    assert "example" in shown
    failed = view(job=SYNCING | {"errorLog": [text]}, runs=[run(NOW - HOUR, error=text)])
    assert "s3cret" not in json.dumps(failed)


def test_backfill_after_a_reset_is_measured_by_the_runs_since():
    """Those before had come further than it is now."""
    reset_at = NOW - 2 * HOUR
    backfilling = job(lastSyncedDate="2026-01-11T00:00:00Z", resetAt=reset_at)
    before = [run(reset_at - n * HOUR, fetched=9000, watermark=datetime(2026, 5, 1, tzinfo=UTC)) for n in (1, 30)]
    since = run(NOW - HOUR, fetched=1000, watermark=datetime(2026, 1, 11, tzinfo=UTC))
    progress = view(job=backfilling, runs=[since, *before])["backfill"]
    assert progress["releasesPerHour"] == 2000
    assert progress["expectedEnd"] == "2026-06-05T22:16:52Z"


def test_message_full_of_colons_is_looked_through_at_once():
    """Messages quote what an API answered. Five such errors once took ten seconds for every view."""
    began = time.process_time()
    assert without_credentials("a:" * 1000) == "a:" * 1000
    assert time.process_time() - began < 0.2
