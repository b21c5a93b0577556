"""Through `run_source`, as the operators call it: rejected releases, reset, and what Airflow is told of changes."""

from __future__ import annotations

import json
import zlib
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from tender_sync.errors import AlertOperator, FailRun, FixSetup, RejectedRelease
from tender_sync.storage.sync_jobs import SyncJobs
from tender_sync.windows import TimeRange
from tests.integration.oracle import problems
from tests.integration.world import DAY, START, dump, release


@pytest.fixture
def refusing(monkeypatch):
    """Let the mapper refuse every third release, as an older one may have."""
    from tender_sync.mapping import contract as contract_mapping  # noqa: PLC0415 - to be patched

    original = contract_mapping.map_ocds_to_contract

    def refuse(raw: Any, source: str) -> Any:
        contract = original(raw, source)
        if zlib.crc32(contract["noticeId"].encode()) % 3 == 0:
            raise RejectedRelease("not understood yet")
        return contract

    with monkeypatch.context() as patched:
        patched.setattr("tender_sync.pipeline.engine.map_ocds_to_contract", refuse)
        yield patched


def test_rejected_releases_become_contracts_once_they_can_be_mapped(run, at_work, refusing):
    rejected = run()["rejected"]
    assert rejected >= (kept := at_work.db.rejectedReleases.count_documents({})) > 2
    place, asked = at_work.place, len(at_work.server.requests)
    refusing.undo()
    record = run("replay_rejected")
    assert (record["created"], record["left"]["rejectedReleases"], record["outcome"]) == (kept, 0, "done")
    assert record["mode"] == "replay_rejected"
    assert at_work.db.rejectedReleases.count_documents({}) == 0
    assert (at_work.place, len(at_work.server.requests)) == (place, asked)
    assert problems(at_work) == []


def test_rejected_releases_of_another_source_are_left_alone(run, at_work, refusing):
    """Also those that are older than the last of its own."""
    found = {"_id": ObjectId.from_datetime(START), "window": {"from": START, "to": START}, "contentHash": "1"}
    another = found | {"source": "ANOTHER", "raw": release("1", date=START)}
    at_work.db.rejectedReleases.insert_one(another)
    run()
    refusing.undo()
    run("replay_rejected")
    assert list(at_work.db.rejectedReleases.find()) == [another]


@pytest.mark.parametrize("odd", ["a title", 10**30, "half a pair: \ud800", {"a NUL in\0a key": 1}], ids=ascii)
def test_release_that_stays_rejected_is_kept_once_and_counted_each_time(run, at_work, odd):
    at_work.catalogue.publish(at_work.source.name, {"ocid": "o", "date": "2026-06-04T10:00:00Z", "title": odd})
    run()
    before = list(at_work.db.rejectedReleases.find())
    assert len(before) == 1
    record = run("replay_rejected")
    assert (record["fetched"], record["rejected"], record["left"]) == (1, 1, {"rejectedReleases": 1})
    assert list(at_work.db.rejectedReleases.find()) == before
    assert problems(at_work) == []


@pytest.mark.parametrize(
    ("budget", "outcome"),
    [({"max_items_per_run": 20}, "item budget spent"), ({"time_budget_minutes": 1e-9}, "time budget spent")],
    ids=["items", "time"],
)
def test_budgets_end_the_trying_again_between_two_batches_and_the_next_run_does_the_rest(run, at_work, budget, outcome):
    run()
    lost = at_work.lose(TimeRange(START, START + timedelta(days=3)))
    assert len(lost) > 20
    releases = at_work.catalogue.existing(at_work.source.name)
    window = {"from": START, "to": START}
    for notice_id in lost:
        kept = {"source": at_work.source.name, "contentHash": notice_id, "reason": "r", "window": window}
        at_work.db.rejectedReleases.insert_one({**kept, "raw": releases[notice_id]})
    record = run("replay_rejected", **budget)
    done = 20 if "max_items_per_run" in budget else 0
    assert (record["outcome"], record.get("created", 0)) == (outcome, done)
    assert record["left"] == {"rejectedReleases": len(lost) - done}
    assert run("replay_rejected")["created"] == len(lost) - done
    assert problems(at_work) == []


def test_rejected_release_older_than_its_contract_leaves_and_changes_nothing(run, at_work):
    run()
    contract = at_work.db.contracts.find_one({})
    older = contract["rawData"] | {"date": "2020-01-01T00:00:00Z", "extra": "older"}
    window = {"from": START, "to": START}
    kept = {"source": at_work.source.name, "contentHash": "x", "reason": "r", "window": window, "raw": older}
    at_work.db.rejectedReleases.insert_one(kept)
    assert run("replay_rejected")["unchanged"] == 1
    assert at_work.db.rejectedReleases.count_documents({}) == 0
    assert at_work.db.contracts.find_one({"_id": contract["_id"]}) == contract


def test_page_kept_undecoded_is_parted_into_its_releases(run, at_work):
    run()
    lost = at_work.lose(DAY)
    releases = [at_work.catalogue.existing(at_work.source.name)[notice_id] for notice_id in lost]
    body = b'{"releases": [%s, {"ocid": "o"}]}' % b", ".join(_json(release) for release in releases)
    window = {"from": DAY.start, "to": DAY.end}
    common = {"source": at_work.source.name, "reason": "undecodable page: x", "window": window}
    at_work.db.rejectedReleases.insert_one({**common, "contentHash": "a", "rawZlib": zlib.compress(body)})
    at_work.db.rejectedReleases.insert_one({**common, "contentHash": "b", "rawZlib": zlib.compress(b"\x00 broken")})
    record = run("replay_rejected")
    assert (record["created"], record["rejected"]) == (len(lost), 1)
    assert {kept["contentHash"] for kept in at_work.db.rejectedReleases.find()} - {"b"} != {"a"}
    assert at_work.db.rejectedReleases.count_documents({}) == 2
    # What was made up for this test is all that the server never showed.
    assert [line for line in problems(at_work) if not line.startswith("kept as rejected but not shown")] == []


def _json(release: Any) -> bytes:
    return json.dumps(release).encode()


def test_reset_shows_its_plan_first_and_changes_nothing(run, at_work, caplog):
    run()
    before = at_work.job
    plan = run("reset")
    assert plan["outcome"] == "plan shown, nothing changed"
    assert plan["plan"]["lastSyncedDate"] == before["lastSyncedDate"]
    assert plan["plan"]["contracts"] == at_work.db.contracts.count_documents({})
    assert plan["confirm"] in caplog.text
    changed = {name for name, value in at_work.job.items() if before.get(name) != value}
    assert changed <= {"lastRunAt", "lastRunFetched", "lastRunErrors", "updatedAt", "changesToAnnounce"}


def test_confirmed_reset_reads_the_history_again_and_loses_nothing(run, at_work):
    run()
    contracts = dump(at_work.db)["contracts"]
    code = run("reset")["confirm"]
    # The hourly run in between moves the source, which must not spoil the code.
    at_work.pass_time(hours=1)
    run()
    assert run("reset", confirm=code)["outcome"] == "reset"
    job = at_work.job
    assert (job["status"], job["lastSyncedDate"], job["window"], job["cursor"]) == ("backfilling", None, None, None)
    assert dump(at_work.db)["contracts"] == contracts
    with pytest.raises(FixSetup, match="does not confirm"):
        run("reset", confirm=code)
    again = run()
    assert again["mode"] == "backfilling"
    assert (again.get("created", 0), again.get("updated", 0)) == (0, 0)
    assert again["unchanged"] >= len(contracts)
    assert problems(at_work) == []


def test_code_is_for_one_start_only(run, at_work):
    run()
    code = run("reset")["confirm"]
    before = at_work.place
    with pytest.raises(FixSetup, match=r"nothing was done: .* does not confirm"):
        run("reset", confirm=code, backfill_start="2026-06-04")
    assert at_work.place == before


def test_reset_to_another_start_begins_there(run, at_work):
    run()
    code = run("reset", backfill_start="2026-06-04")["confirm"]
    run("reset", confirm=code, backfill_start="2026-06-04")
    assert at_work.job["backfillStartDate"] == "2026-06-04T00:00:00Z"


def test_reset_that_failed_after_it_was_done_is_done_by_its_retry(run, at_work, fail_at_the_end):
    run()
    code = run("reset")["confirm"]
    at_work.pass_time(minutes=1)
    fail_at_the_end()
    with pytest.raises(FailRun, match="the primary is gone"):
        run("reset", confirm=code)
    assert at_work.job["status"] == "backfilling"
    at_work.pass_time(minutes=1)
    assert run("reset", confirm=code)["outcome"] == "reset"
    at_work.pass_time(minutes=1)
    with pytest.raises(FixSetup, match="does not confirm"):
        run("reset", confirm=code)


def test_release_too_large_with_what_others_added_is_kept_until_there_is_room(run, at_work):
    at_work.publish("big")
    run()
    at_work.db.contracts.update_one({"noticeId": "big"}, {"$set": {"enrichment": "x" * 9_000_000}})
    at_work.pass_time(minutes=10)
    at_work.publish("big", text="x" * 8_000_000)
    at_work.pass_time(minutes=10)
    assert run()["rejected"] >= 1
    assert run("replay_rejected")["left"] == {"rejectedReleases": 1}
    at_work.db.contracts.update_one({"noticeId": "big"}, {"$unset": {"enrichment": 1}})
    assert run("replay_rejected")["left"] == {"rejectedReleases": 0}
    assert problems(at_work) == []


@pytest.mark.parametrize("ends", [AutoReconnect("the primary is gone"), KeyboardInterrupt()], ids=["failed", "died"])
def test_changes_of_a_run_that_did_not_succeed_are_told_once_by_the_next(run, at_work, monkeypatch, ends):
    run(run_id="first")
    at_work.pass_time(minutes=10)
    at_work.publish("990001-2026")
    at_work.pass_time(minutes=10)

    def end(_jobs: SyncJobs) -> None:
        raise ends

    with monkeypatch.context() as patched:
        patched.setattr(SyncJobs, "mark_sync_complete", end)
        with pytest.raises((FailRun, KeyboardInterrupt)):
            run(run_id="unlucky")
    at_work.pass_time(minutes=10)
    assert run(run_id="next")["changes"] == {"created": 1, "updated": 0}
    at_work.pass_time(minutes=10)
    assert run(run_id="after that")["changes"] == {"created": 0, "updated": 0}


def test_changes_of_an_audit_are_told_by_the_next_run(run, audit, at_work):
    run(run_id="first")
    lost = at_work.lose(DAY)
    at_work.pass_time(minutes=10)
    with pytest.raises(AlertOperator):
        audit(window_from=f"{DAY.start:%Y-%m-%d}", window_to=f"{DAY.end:%Y-%m-%d}")
    assert run(run_id="next")["changes"] == {"created": len(lost), "updated": 0}


def test_changes_of_a_try_that_ended_are_told_by_the_retry_of_a_task_that_died_before_its_success(run, at_work):
    created = run(run_id="hour")["created"]
    at_work.pass_time(minutes=1)
    assert run(run_id="hour")["changes"] == {"created": created, "updated": 0}
    at_work.pass_time(minutes=1)
    assert run(run_id="next hour")["changes"] == {"created": 0, "updated": 0}
