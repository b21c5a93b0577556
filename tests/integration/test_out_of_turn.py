"""Through `run_source` and `audit_source`, as the operators call them: rejected releases, reset, audit, freshness."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.observability import stats
from bson import ObjectId
from pymongo.errors import AutoReconnect

from tender_sync.audit import USUAL_RANGE
from tender_sync.errors import FixSetup, RejectedRelease, SkipRun, StopRun, TellSomebody
from tender_sync.freshness import check_freshness
from tender_sync.jobs import SyncJobs
from tender_sync.store import Store
from tender_sync.sync import audit_source, run_source
from tender_sync.windows import Window
from tests.integration.oracle import problems
from tests.integration.world import START, dump, release

DAY = Window(START + timedelta(days=1), START + timedelta(days=2))
RANGE = {"window_from": f"{DAY.start:%Y-%m-%dT%H:%M:%SZ}", "window_to": f"{DAY.end:%Y-%m-%dT%H:%M:%SZ}"}


@pytest.fixture
def at_work(world, mongo_to_world, monkeypatch):  # noqa: ARG001 - the connection is what it is for
    """The world, with its clock and settings for what runs through Airflow connections."""
    monkeypatch.setattr("tender_sync.sync.SystemClock", lambda: world.clock)
    monkeypatch.setenv("SYNC_PACE_SECONDS", "0")
    monkeypatch.setenv("BACKFILL_START_DATE", world.start.date().isoformat())
    return world


@pytest.fixture
def run(at_work):
    def run(mode: str = "normal", run_id: str | None = None, **params: Any) -> dict[str, Any]:
        asked = {"mode": mode, "time_budget_minutes": 59, **params}
        return run_source(
            at_work.source, asked, owner=f"dag/{mode}/sync", run_id=run_id or mode, stopping=lambda: False
        )

    return run


@pytest.fixture
def audit(at_work):
    def audit(**params: Any) -> dict[str, Any]:
        asked = {"time_budget_minutes": 25, **params}
        return audit_source(at_work.source, asked, owner="audit/run/task", run_id="audit", stopping=lambda: False)

    return audit


@pytest.fixture
def refusing(monkeypatch):
    """Let the mapper refuse every third release, as an older one may have."""
    from tender_sync import ocds  # noqa: PLC0415 - to be patched

    original = ocds.map_ocds_to_contract

    def refuse(raw: Any, source: str) -> Any:
        contract = original(raw, source)
        if zlib.crc32(contract["noticeId"].encode()) % 3 == 0:
            raise RejectedRelease("not understood yet")
        return contract

    with monkeypatch.context() as patched:
        patched.setattr("tender_sync.engine.map_ocds_to_contract", refuse)
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
    lost = at_work.lose(Window(START, START + timedelta(days=3)))
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
    assert changed <= {"lastRunAt", "lastRunFetched", "lastRunErrors", "updatedAt"}


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


@pytest.fixture
def fail_at_the_end(monkeypatch):
    """Let MongoDB fail, once, when a run is to be ended."""
    end_run, failed = SyncJobs.end_run, []

    def fail(self: Any, *outcome: Any, **facts: Any) -> Any:
        if not failed:
            failed.append(outcome)
            raise AutoReconnect("the primary is gone")
        return end_run(self, *outcome, **facts)

    return lambda: monkeypatch.setattr(SyncJobs, "end_run", fail)


def test_reset_that_failed_after_it_was_done_is_done_by_its_retry(run, at_work, fail_at_the_end):
    run()
    code = run("reset")["confirm"]
    at_work.pass_time(minutes=1)
    fail_at_the_end()
    with pytest.raises(StopRun, match="the primary is gone"):
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


def test_changes_of_a_run_that_failed_are_told_though_another_begins_before_they_are_counted(run, at_work, monkeypatch):
    run(run_id="first")
    at_work.pass_time(minutes=10)
    at_work.publish("990001-2026")
    at_work.pass_time(minutes=10)
    run(run_id="fails")
    at_work.db.syncRuns.update_one({"runId": "fails"}, {"$set": {"outcome": "failed"}})
    at_work.pass_time(minutes=10)
    end_run = SyncJobs.end_run

    def end_and_let_another_begin(self: SyncJobs, *args: Any, **facts: Any) -> dict[str, Any]:
        record = end_run(self, *args, **facts)
        at_work.pass_time(seconds=1)
        at_work.holder("dag/other/sync", "other", "replay")[0].get_or_create_sync_job(START)
        return record

    monkeypatch.setattr(SyncJobs, "end_run", end_and_let_another_begin)
    assert run(run_id="next")["changes"] == {"created": 1, "updated": 0}


def test_changes_of_a_try_that_ended_are_told_by_the_retry_of_a_task_that_died_before_its_success(run, at_work):
    created = run(run_id="hour")["created"]
    at_work.pass_time(minutes=1)
    assert run(run_id="hour")["changes"] == {"created": created, "updated": 0}
    at_work.pass_time(minutes=1)
    assert run(run_id="next hour")["changes"] == {"created": 0, "updated": 0}


def test_audit_finds_and_repairs_what_is_missing_and_what_is_stale(run, audit, at_work):
    run()
    place, lost = at_work.place, at_work.lose(DAY)
    stale = at_work.db.contracts.find_one({"publishedDate": {"$gte": DAY.end, "$lt": DAY.end + timedelta(hours=9)}})
    at_work.db.contracts.update_one({"_id": stale["_id"]}, {"$set": {"releaseHash": "an older one"}})
    with pytest.raises(TellSomebody, match=rf"{len(lost)} notices were missing .* 1 were an older version"):
        audit()
    found = at_work.db.syncAudits.find_one()
    assert (found["missing"], found["stale"], found["repaired"]) == (len(lost), 1, len(lost) + 1)
    assert (found["outcome"], found["source"], found["runId"]) == ("done", at_work.source.name, "audit")
    assert found["windowsChecked"] > (DAY.end - DAY.start) / at_work.source.audit_span
    assert set(found["named"]) <= {*lost, stale["noticeId"]}
    assert at_work.place == place
    assert problems(at_work) == []
    assert audit()["missing"] == 0


def test_what_a_newer_mapper_reads_otherwise_is_neither_missing_nor_stale_to_an_audit(run, audit, at_work):
    run()
    at_work.db.contracts.update_many({}, {"$set": {"mapperVersion": 0}})
    found = audit(**RANGE)
    assert (found["missing"], found["stale"]) == (0, 0)
    assert at_work.db.contracts.count_documents({"mapperVersion": {"$ne": 0}}) > 0, "it is put right on the way"


def test_audit_asks_in_windows_of_its_own_size(run, audit, at_work):
    run()
    asked = [request.query for request in at_work.server.requests]
    audit(**RANGE)
    queries = [request.query for request in at_work.server.requests][len(asked) :]
    assert len(queries) >= (DAY.end - DAY.start) / at_work.source.audit_span
    assert not set(queries) & set(asked)


def test_audit_may_only_report(run, audit, at_work):
    run()
    lost = at_work.lose(DAY)
    before = dump(at_work.db, leave_out=("syncAudits", "syncRuns", "syncJobs"))
    with pytest.raises(TellSomebody):
        audit(repair=False, **RANGE)
    found = at_work.db.syncAudits.find_one()
    assert (found["missing"], found["repaired"]) == (len(lost), 0)
    assert dump(at_work.db, leave_out=("syncAudits", "syncRuns", "syncJobs")) == before


def test_audit_cut_short_is_gone_on_with(run, audit, at_work):
    run()
    started = at_work.job["backfillStartDate"]
    cut = {"outcome": "time budget spent", "reached": datetime(2020, 1, 1, tzinfo=UTC)}
    now = at_work.clock.now()
    at_work.db.syncAudits.insert_one({"source": at_work.source.name, "startedAt": now, "endedAt": now, **cut})
    assert f"{audit()['from']:%Y-%m-%dT%H:%M:%SZ}" == started


def test_audit_of_a_range_asked_for_changes_nothing_of_what_is_due(run, audit, at_work):
    at_work.pass_time(days=20)
    run()
    cut = audit(window_from=f"{at_work.start:%Y-%m-%d}", window_to=f"{DAY.end:%Y-%m-%d}", time_budget_minutes=1e-9)
    assert cut["outcome"] == "time budget spent"
    found = audit()
    assert found["from"] == at_work.clock.now() - USUAL_RANGE
    at_work.db.syncAudits.update_one({"_id": found["_id"]}, {"$set": {"outcome": "died", "reached": DAY.end}})
    audit(**RANGE)
    assert audit()["from"] == DAY.end


def test_nothing_is_audited_while_a_source_backfills(run, audit, at_work):
    with pytest.raises(SkipRun, match="never run"):
        audit()
    run(max_items_per_run=1)
    with pytest.raises(SkipRun, match="still backfilling"):
        audit()
    assert at_work.job["lease"] is None


def test_nothing_is_audited_while_less_is_in_than_a_normal_run_looks_back_at(run, audit, at_work, monkeypatch):
    monkeypatch.setenv("BACKFILL_START_DATE", f"{at_work.clock.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")
    run()
    with pytest.raises(SkipRun, match=f"has nothing to audit: it is in up to {at_work.job['lastSyncedDate'][:10]}"):
        audit()
    assert at_work.db.syncAudits.count_documents({}) == 0


def test_audit_that_fails_says_so(run, audit, at_work):
    run()
    at_work.server.faults.add("html")
    with pytest.raises(StopRun):
        audit()
    assert at_work.db.syncAudits.find_one()["outcome"] == "failed"
    assert (at_work.job["status"], at_work.job["lease"]) == ("syncing", None)


def test_audit_that_lost_its_lease_is_not_said_to_be_running(run, audit, at_work, monkeypatch):
    run()
    foresee = Store.foresee

    def overtaken(self: Any, contracts: Any) -> Any:
        at_work.db.syncJobs.update_one({}, {"$set": {"lease.token": "another"}})
        return foresee(self, contracts)

    monkeypatch.setattr(Store, "foresee", overtaken)
    with pytest.raises(SkipRun, match="taken over"):
        audit()
    found = at_work.db.syncAudits.find_one()
    assert (found["outcome"], found["endedAt"]) == ("failed", at_work.clock.now())


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_what_an_audit_found_before_it_failed_is_told_by_its_retry(run, audit, at_work, monkeypatch, committed):
    """The retry finds in what was repaired: that the task was red for a minute would be all there was to see of it."""
    run()
    lost = at_work.lose(DAY)
    commit_page = Store.commit_page

    def fail_at_repair(self: Any, page: Any) -> Any:
        if self.foresee(page.contracts).created:
            if committed:
                commit_page(self, page)
            raise StopRun("MongoDB is away")
        return commit_page(self, page)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit_page", fail_at_repair)
        with pytest.raises(StopRun, match="is away"):
            audit()
    at_work.pass_time(minutes=1)
    with pytest.raises(TellSomebody, match=rf" {len(lost)} notices were missing .* {len(lost)} are put right"):
        audit()
    at_work.pass_time(minutes=1)
    assert audit()["missing"] == 0


def test_what_an_audit_found_is_told_by_its_retry_when_it_failed_at_its_end(run, audit, at_work, fail_at_the_end):
    run()
    lost = at_work.lose(DAY)
    fail_at_the_end()
    with pytest.raises(StopRun, match="the primary is gone"):
        audit()
    at_work.pass_time(minutes=1)
    with pytest.raises(TellSomebody, match=rf" {len(lost)} notices were missing"):
        audit()


def check(world, run_id="check-1"):
    return check_freshness(world.db, world.source, world.clock, run_id)


def test_stale_source_is_told_once_and_again_only_after_it_was_fresh(run, at_work):
    run()
    # MongoDB's own clock wrote this, which is months ahead of the world's.
    at_work.db.syncJobs.update_one({}, {"$set": {"lastRunAt": at_work.clock.now()}})
    assert check(at_work) == timedelta()
    at_work.pass_time(hours=3, minutes=1)
    with pytest.raises(TellSomebody, match=r"is stale.*for 3.0 hours; expected at most 3.0 hours.*No run since"):
        check(at_work, "check-2")
    for later in range(3, 30):
        at_work.pass_time(hours=1)
        with pytest.raises(SkipRun, match=r"still stale, by .*; check-2 has said so"):
            check(at_work, f"check-{later}")
    with pytest.raises(TellSomebody):
        check(at_work, "check-2")
    run()
    assert check(at_work, "check-31") == timedelta()
    at_work.pass_time(hours=4)
    with pytest.raises(TellSomebody):
        check(at_work, "check-32")


def test_stale_source_says_why(run, at_work):
    run()
    at_work.server.faults.add("html")
    at_work.pass_time(hours=4)
    with pytest.raises(StopRun):
        run()
    at_work.db.syncJobs.update_one({}, {"$set": {"lastRunAt": at_work.clock.now()}})
    with pytest.raises(TellSomebody, match=r"Its last run failed: .*release package"):
        check(at_work)


def test_backfill_of_days_is_not_stale_as_long_as_it_moves(run, at_work):
    run(max_items_per_run=1)
    for number in range(6):
        moved = f"{at_work.start + timedelta(hours=number):%Y-%m-%dT%H:%M:%SZ}"
        at_work.db.syncJobs.update_one({}, {"$set": {"lastSyncedDate": moved}})
        check(at_work, f"check-{number}")
        at_work.pass_time(hours=2)
    at_work.pass_time(hours=2)
    with pytest.raises(TellSomebody, match=r"has not moved for 4.0 hours"):
        check(at_work, "check-9")
    with pytest.raises(SkipRun, match="still stale"):
        check(at_work, "check-10")


def test_source_that_never_ran_is_nobodys_alarm(at_work):
    with pytest.raises(SkipRun, match="never run"):
        check(at_work)


def test_pages_are_counted_in_airflows_metrics(run, at_work, monkeypatch):
    counted: dict[str, int] = {}
    monkeypatch.setattr(stats, "incr", lambda name, count=1: counted.update({name: counted.get(name, 0) + count}))
    monkeypatch.setattr(stats, "gauge", lambda name, value: counted.update({name: value}))
    record = run()
    check(at_work)
    dag_id = at_work.source.dag_id
    assert counted[f"tender_sync.{dag_id}.pages"] == record["pages"]
    assert counted[f"tender_sync.{dag_id}.releases"] == record["fetched"]
    assert counted[f"tender_sync.{dag_id}.watermark_age_seconds"] == 0
    assert all(record[name] == counted[f"tender_sync.{dag_id}.{name}"] for name in ("created", "requests", "bytes"))
    fates = ("created", "updated", "unchanged", "rejected", "doubled")
    assert record["fetched"] == sum(counted.get(f"tender_sync.{dag_id}.{name}", 0) for name in fates)
