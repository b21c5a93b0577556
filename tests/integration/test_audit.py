"""Audits, through `audit_source` as the operators call it: what they find, repair, and tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tender_sync.errors import AlertOperator, FailRun, SkipRun
from tender_sync.pipeline.audit import USUAL_RANGE
from tender_sync.storage.contracts import Contracts
from tender_sync.storage.page_commit import Store
from tests.integration.oracle import problems
from tests.integration.world import DAY, dump

RANGE = {"window_from": f"{DAY.start:%Y-%m-%dT%H:%M:%SZ}", "window_to": f"{DAY.end:%Y-%m-%dT%H:%M:%SZ}"}


def test_audit_finds_and_repairs_what_is_missing_and_what_is_stale(run, audit, at_work):
    run()
    place, lost = at_work.place, at_work.lose(DAY)
    stale = at_work.db.contracts.find_one({"publishedDate": {"$gte": DAY.end, "$lt": DAY.end + timedelta(hours=9)}})
    at_work.db.contracts.update_one({"_id": stale["_id"]}, {"$set": {"releaseHash": "an older one"}})
    with pytest.raises(AlertOperator, match=rf"{len(lost)} notices were missing .* 1 were an older version"):
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
    with pytest.raises(AlertOperator):
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
    with pytest.raises(FailRun):
        audit()
    assert at_work.db.syncAudits.find_one()["outcome"] == "failed"
    assert (at_work.job["status"], at_work.job["lease"]) == ("syncing", None)


def test_audit_that_lost_its_lease_is_not_said_to_be_running(run, audit, at_work, monkeypatch):
    run()
    preview = Contracts.preview

    def overtaken(self: Any, contracts: Any) -> Any:
        at_work.db.syncJobs.update_one({}, {"$set": {"lease.token": "another"}})
        return preview(self, contracts)

    monkeypatch.setattr(Contracts, "preview", overtaken)
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
        if self.contracts.preview(page.contracts).created:
            if committed:
                commit_page(self, page)
            raise FailRun("MongoDB is away")
        return commit_page(self, page)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "commit_page", fail_at_repair)
        with pytest.raises(FailRun, match="is away"):
            audit()
    at_work.pass_time(minutes=1)
    with pytest.raises(AlertOperator, match=rf" {len(lost)} notices were missing .* {len(lost)} are put right"):
        audit()
    at_work.pass_time(minutes=1)
    assert audit()["missing"] == 0


def test_what_an_audit_found_is_told_by_its_retry_when_it_failed_at_its_end(run, audit, at_work, fail_at_the_end):
    run()
    lost = at_work.lose(DAY)
    fail_at_the_end()
    with pytest.raises(FailRun, match="the primary is gone"):
        audit()
    at_work.pass_time(minutes=1)
    with pytest.raises(AlertOperator, match=rf" {len(lost)} notices were missing"):
        audit()
