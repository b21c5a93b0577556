"""The page's app with a real MongoDB: what it reads, when it gives up, how it passes on hostile text."""

from __future__ import annotations

import gc
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from pymongo.errors import InvalidOperation, ServerSelectionTimeoutError

from tender_sync.connections import KeptDatabase
from tender_sync.errors import FailRun
from tender_sync.sources import SOURCES
from tender_sync.storage.rejected import Rejection
from tender_sync.storage.schema import ensure_schema
from tender_sync.web import app as web
from tests.conftest import ROOT
from tests.integration.world import release
from tests.integration.writer import Writer
from tests.support.connections import MONGO_VARIABLE, mongo
from tools.mongod import Mongod, free_port

PUBLISHED = datetime(2026, 6, 5, 9, tzinfo=UTC)
SCRIPT = "<script>document.title='taken over'</script><img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _everybody_may_look(monkeypatch):
    """tests/dags/test_page_access.py tests who may."""
    monkeypatch.setattr(web, "requires_access_dag", lambda _method: lambda: None)


@pytest.fixture
def page(mongo_connection):
    # Patient, because a machine at work may be slow; how long people wait has tests of its own.
    with TestClient(web.create_app(KeptDatabase(mongo_connection, seconds=30.0))) as client:
        yield client


@pytest.fixture
def writer(db):
    ensure_schema(db)
    return Writer(db, SOURCES["FIND_A_TENDER"])


def find_a_tender(page):
    overview = page.get("/api/overview").json()
    return next(each for each in overview["sources"] if each["source"] == "FIND_A_TENDER")


def test_empty_database_is_shown_as_never_run(page):
    overview = page.get("/api/overview")
    assert overview.status_code == 200
    assert [each["mode"] for each in overview.json()["sources"]] == ["never run"] * len(SOURCES)
    assert overview.json()["buyers"] == []


def test_overview_follows_what_a_run_commits(page, writer):
    writer.commit(release("1", date=PUBLISHED), release("2", date=PUBLISHED, tag=["award"]))
    shown = find_a_tender(page)
    assert (shown["mode"], shown["contracts"], shown["lastRun"]["fetched"]) == ("backfilling", 2, 2)
    assert shown["lease"]["owner"] == "dag/run/sync"
    assert shown["window"]["from"] == "2026-06-05T09:00:00Z"
    assert page.get("/api/overview").json()["buyers"][0]["contracts"] == 2
    writer.commit(release("3", date=PUBLISHED))
    assert find_a_tender(page)["contracts"] == 3


def test_hostile_text_leaves_as_json_and_never_as_markup(page, writer):
    hostile = release("1", date=PUBLISHED, title=SCRIPT, buyer=("GB-PPON-9", SCRIPT))
    writer.commit(hostile, rejections=[Rejection({"id": SCRIPT}, SCRIPT)])
    answer = page.get("/api/overview")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["buyers"][0]["name"] == SCRIPT
    key = find_a_tender(page)["rejected"]["latest"][0]["key"]
    raw = page.get(f"/api/rejected/{key}")
    assert raw.headers["content-type"] == "application/json"
    assert json.loads(raw.json()["raw"]) == {"id": SCRIPT}
    assert SCRIPT not in page.get("/").text


def test_every_answer_forbids_what_the_page_does_not_need(page):
    for path in ("/", "/static/page.js", "/api/overview", "/api/rejected/nonsense", "/nowhere"):
        headers = page.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_page_asks_nobody_but_its_own_server(page):
    static = {path.name for path in (ROOT / "plugins" / "tender_sync" / "web" / "static").iterdir()}
    assert static > {"page.html", "page.css", "page.js"}
    for name in static:
        text = page.get(f"/static/{name}").text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text
        assert " style=" not in text


def test_only_its_own_files_and_reads_are_served(page):
    assert page.get("/static/..%2Fapp.py").status_code == 404
    assert page.get("/static/app.py").status_code == 404
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert page.get(path).status_code == 404
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert page.request(method, "/api/overview").status_code == 405


@pytest.mark.parametrize("key", ["nonsense", "0" * 24])
def test_unknown_rejected_release_is_said_to_be_unknown(page, key):
    answer = page.get(f"/api/rejected/{key}")
    assert answer.status_code == 404
    assert "no such rejected release" in answer.json()["detail"]


def test_mongodb_that_is_down_is_said_so_within_seconds_and_found_again(db, mongo_connection, mongod, monkeypatch):
    who = {"login": "tendhunt", "password": "s3cret-word", "extra": {"directConnection": True}}
    monkeypatch.setenv(MONGO_VARIABLE, mongo(port=free_port(), schema=db.name, **who))
    with TestClient(web.create_app(KeptDatabase(mongo_connection))) as page:
        began = time.monotonic()
        answer = page.get("/api/overview")
        assert time.monotonic() - began < 4
        assert answer.status_code == 503
        assert "cannot be reached" in answer.json()["problem"]
        assert "s3cret-word" not in answer.text
        assert page.get("/").status_code == 200, "the page itself stands"
        monkeypatch.setenv(MONGO_VARIABLE, mongo(port=mongod.port, schema=db.name))
        assert page.get("/api/overview").status_code == 200, "a corrected connection is used without a restart"


def test_mongodb_that_accepts_and_never_answers_is_given_up(db, mongo_connection, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(MONGO_VARIABLE, mongo(port=silent.getsockname()[1], schema=db.name))
        with TestClient(web.create_app(KeptDatabase(mongo_connection, seconds=0.5))) as page:
            began = time.monotonic()
            assert page.get("/api/overview").status_code == 503
            assert time.monotonic() - began < 1.5


def elsewhere(mongod):
    return mongo(port=mongod.port, schema="elsewhere")


def test_changed_connection_takes_no_client_from_who_still_reads(mongo_connection, mongod, monkeypatch):
    kept = KeptDatabase(mongo_connection)
    with kept.opened() as mine:
        client = mine.client
        monkeypatch.setenv(MONGO_VARIABLE, elsewhere(mongod))
        with kept.opened() as theirs:
            assert theirs.client is not client
            assert theirs.syncJobs.find_one() == mine.syncJobs.find_one()
    del mine
    gc.collect()
    with pytest.raises(InvalidOperation, match="after close"):
        client.admin.command("ping")
    with kept.opened() as later:
        assert later.client is theirs.client


def test_failure_of_one_takes_the_client_from_nobody(mongo_connection):
    kept = KeptDatabase(mongo_connection)
    with kept.opened() as mine:
        with pytest.raises(FailRun, match="is away"), kept.opened():
            raise ServerSelectionTimeoutError("it is away")
        with kept.opened() as theirs:
            assert theirs.client is mine.client
        assert mine.syncJobs.find_one() is None


def test_restarted_mongod_is_found_again(tmp_path, monkeypatch):
    mongod = Mongod(tmp_path, free_port(), replica_set=None)
    mongod.start()
    monkeypatch.setenv(MONGO_VARIABLE, mongo(port=mongod.port, schema="tendhunt"))
    try:
        with TestClient(web.create_app()) as page:
            assert page.get("/api/overview").status_code == 200
            mongod.stop()
            assert page.get("/api/overview").status_code == 503
            mongod.start()
            assert page.get("/api/overview").status_code == 200
    finally:
        mongod.stop()


def test_connection_that_was_changed_is_used_at_once(page, writer, db, mongod, monkeypatch):
    """Moved to another database, while the old one would still answer."""
    writer.commit(release("1", date=PUBLISHED))
    assert find_a_tender(page)["contracts"] == 1
    monkeypatch.setenv(MONGO_VARIABLE, mongo(port=mongod.port, schema=f"{db.name}_moved"))
    assert find_a_tender(page)["contracts"] == 0


def test_missing_connection_is_explained(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_NOWHERE", raising=False)
    with TestClient(web.create_app(KeptDatabase("nowhere"))) as page:
        answer = page.get("/api/overview")
    assert answer.status_code == 503
    assert "AIRFLOW_CONN_NOWHERE" in answer.json()["problem"]


def test_many_readers_share_one_client(page, writer, db):
    writer.commit(release("1", date=PUBLISHED))
    page.get("/api/overview")
    before = connections(db)
    with ThreadPoolExecutor(8) as readers:
        answers = list(readers.map(lambda _: page.get("/api/overview").status_code, range(40)))
    assert set(answers) == {200}
    assert connections(db) - before <= 4


def connections(db):
    return db.client.admin.command("serverStatus")["connections"]["totalCreated"]


def test_no_query_scans_a_collection(page, writer, db):
    """As MongoDB's own profiler tells it, over every collection the page reads."""
    writer.commit(release("1", date=PUBLISHED), rejections=[Rejection({"id": 1}, "odd")])
    key = find_a_tender(page)["rejected"]["latest"][0]["key"]
    db.command("profile", 2, filter={"appName": "tender-sync-page"})
    page.get("/api/overview")
    page.get(f"/api/rejected/{key}")
    db.command("profile", 0)
    plans = {(each["ns"].split(".")[1], each["planSummary"]) for each in db["system.profile"].find()}
    assert {name for name, _ in plans} >= {"syncJobs", "syncRuns", "syncStats", "rejectedReleases", "buyers"}
    assert not [plan for plan in plans if "COLLSCAN" in plan[1]]


def test_looking_changes_nothing(page, writer, db):
    writer.commit(release("1", date=PUBLISHED), rejections=[Rejection({"id": 1}, "odd")])

    def everything():
        return {name: list(db[name].find()) for name in db.list_collection_names()}

    before = everything()
    key = find_a_tender(page)["rejected"]["latest"][0]["key"]
    page.get(f"/api/rejected/{key}")
    assert everything() == before


def test_only_a_week_of_runs_is_read(page, db):
    began = PUBLISHED - timedelta(days=30)
    runs = [{"source": "FIND_A_TENDER", "startedAt": began + timedelta(hours=n), "outcome": "done"} for n in range(500)]
    db.syncRuns.insert_many(runs)
    assert len(find_a_tender(page)["runs"]) == 168


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backfillStartDate", PUBLISHED),
        ("lastSyncedDate", "soon"),
        ("totalFetched", "12"),
        ("failures", float("nan")),
        ("errorLog", 7),
    ],
)
def test_job_written_to_by_hand_is_told_of_and_the_other_source_shown(page, writer, db, name, value):
    writer.commit(release("1", date=PUBLISHED))
    Writer(db, SOURCES["CONTRACTS_FINDER"]).commit(release("2", date=PUBLISHED))
    db.syncJobs.update_one({"source": "FIND_A_TENDER"}, {"$set": {name: value}})
    shown = {each["source"]: each for each in page.get("/api/overview").json()["sources"]}
    broken = shown["FIND_A_TENDER"]
    assert (broken["mode"], broken["contracts"], broken["lastRun"]["fetched"]) == ("in error", 1, 1)
    assert re.search(f"syncJobs.{name} of Find a Tender is .+; expected a", broken["sentence"])
    assert (shown["CONTRACTS_FINDER"]["mode"], shown["CONTRACTS_FINDER"]["totalFetched"]) == ("backfilling", 1)


@pytest.mark.parametrize("count", [None, "12", float("nan"), {"$numberInt": "1"}], ids=repr)
def test_buyer_whose_count_is_no_number_takes_nothing_from_the_page(page, writer, db, count):
    writer.commit(release("1", date=PUBLISHED))
    db.buyers.update_one({}, {"$set": {"contractCount": count}})
    assert len(page.get("/api/overview").json()["buyers"]) == 1
