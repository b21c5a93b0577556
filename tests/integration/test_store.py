"""One page in MongoDB: what is written, what is left alone, and that it is all or nothing."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database

from tender_sync.errors import RejectedRelease
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER
from tender_sync.storage.buyers import Buyers
from tender_sync.storage.rejected import Rejection
from tests.integration.world import DURHAM, LEEDS, dump, release
from tests.integration.writer import HOUR, PUBLISHED, Writer, aggregations


@pytest.fixture
def writer(world_db, source):
    return Writer(world_db, source)


@pytest.fixture
def contracts(world_db):
    return world_db.contracts


def counts(db):
    return {buyer["orgId"]: buyer["contractCount"] for buyer in db.buyers.find()}


def test_page_is_counted_by_what_became_of_it(writer, world_db):
    same, older = release("1", date=PUBLISHED), release("2", date=PUBLISHED)
    writer.commit(same, older)
    page = [same, release("2", date=PUBLISHED + HOUR, title="changed"), release("3", date=PUBLISHED)]
    counted = writer.commit(*page, release("3", date=PUBLISHED), rejections=[Rejection(None, "it is nothing")])
    assert counted == Counter(pages=1, fetched=5, created=1, updated=1, unchanged=1, doubled=1, rejected=1), (
        "fetched is the sum of the other five"
    )
    assert world_db.contracts.count_documents({}) == 3


def test_unchanged_release_is_not_written(writer, contracts):
    writer.commit(release("1", date=PUBLISHED))
    before = contracts.find_one()
    writer.clock.sleep(60)
    writer.commit(release("1", date=PUBLISHED))
    assert contracts.find_one() == before


def test_changed_release_keeps_its_creation_and_moves_its_update(writer, contracts):
    writer.commit(release("1", date=PUBLISHED))
    before = contracts.find_one()
    writer.clock.sleep(60)
    writer.commit(release("1", date=PUBLISHED + HOUR, title="Grit"))
    after = contracts.find_one()
    assert (after["_id"], after["createdAt"]) == (before["_id"], before["createdAt"])
    assert after["updatedAt"] == before["updatedAt"] + timedelta(seconds=60)
    assert after["title"] == "Grit"


def test_older_version_never_replaces_a_newer(writer, contracts):
    writer.commit(release("1", date=PUBLISHED + HOUR, title="new"))
    counted = writer.commit(release("1", date=PUBLISHED, title="old"))
    assert contracts.find_one()["title"] == "new"
    assert (counted["unchanged"], counted["updated"]) == (1, 0)


def test_other_content_of_the_same_date_replaces(writer, contracts):
    writer.commit(release("1", date=PUBLISHED, title="first"))
    writer.commit(release("1", date=PUBLISHED, title="second"))
    assert contracts.find_one()["title"] == "second"


def test_of_two_of_one_date_in_a_page_the_first_stays(writer, contracts):
    """Pages come newest first."""
    both = [release("1", date=PUBLISHED, title=title) for title in ("second", "first")]
    assert writer.commit(*both)["doubled"] == 1
    assert contracts.find_one()["title"] == "second"


def test_date_in_the_future_does_not_shut_out_its_correction(writer, contracts):
    writer.commit(release("1", date=PUBLISHED + timedelta(days=3650), title="misdated"))
    writer.commit(release("1", date=PUBLISHED, title="corrected"))
    assert contracts.find_one()["title"] == "corrected"


def test_dated_version_replaces_one_without_a_date_and_not_the_other_way_round(writer, contracts):
    undated = {key: value for key, value in release("1", date=PUBLISHED, title="undated").items() if key != "date"}
    writer.commit(undated)
    writer.commit(release("1", date=PUBLISHED, title="dated"))
    assert contracts.find_one()["title"] == "dated"
    writer.commit(undated)
    assert contracts.find_one()["title"] == "dated"


@pytest.mark.parametrize("newer_first", [True, False])
def test_same_id_twice_in_a_page_leaves_the_newer(writer, world_db, newer_first):
    pair = [release("1", date=PUBLISHED + HOUR, title="new", buyer=DURHAM), release("1", date=PUBLISHED, title="old")]
    counted = writer.commit(*(pair if newer_first else reversed(pair)))
    assert world_db.contracts.find_one()["title"] == "new"
    assert (counted["created"], counted["doubled"]) == (1, 1)
    assert counts(world_db).get(LEEDS[0], 0) == 0
    assert counts(world_db)[DURHAM[0]] == 1


def test_contract_that_moves_to_another_buyer_moves_the_count(writer, world_db):
    writer.commit(release("1", date=PUBLISHED), release("2", date=PUBLISHED))
    assert counts(world_db) == {LEEDS[0]: 2}
    writer.commit(release("2", date=PUBLISHED + HOUR, buyer=DURHAM))
    assert counts(world_db) == {LEEDS[0]: 1, DURHAM[0]: 1}
    nobody = release("1", date=PUBLISHED + HOUR) | {"buyer": None, "parties": []}
    writer.commit(nobody)
    assert counts(world_db) == {LEEDS[0]: 0, DURHAM[0]: 1}
    assert world_db.contracts.find_one({"noticeId": "1"})["buyerId"] is None


def test_buyers_that_swap_contracts_have_not_changed(writer, world_db):
    writer.commit(release("1", date=PUBLISHED), release("2", date=PUBLISHED, buyer=DURHAM))
    before = list(world_db.buyers.find())
    writer.clock.sleep(60)
    writer.commit(release("1", date=PUBLISHED + HOUR, buyer=DURHAM), release("2", date=PUBLISHED + HOUR))
    assert list(world_db.buyers.find()) == before


def test_two_spellings_of_one_buyer_are_one_buyer(writer, world_db):
    writer.commit(
        release("1", date=PUBLISHED, buyer=(LEEDS[0], "LEEDS CITY COUNCIL")),
        release("2", date=PUBLISHED, buyer=(LEEDS[0], "Leeds City Council ")),
    )
    assert counts(world_db) == {LEEDS[0]: 2}


def test_what_the_web_app_adds_is_never_touched(writer, world_db):
    writer.commit(release("1", date=PUBLISHED))
    mine = {"score": 7, "notes": ["call them"], "enrichment": {"at": PUBLISHED}}
    theirs = {
        "contacts": [{"name": "Ada"}],
        "description": "by hand",
        "website": "https://example.org",
        "name": "Leeds",
    }
    world_db.contracts.update_one({}, {"$set": mine})
    world_db.buyers.update_one({}, {"$set": mine | theirs})
    writer.commit(release("1", date=PUBLISHED + HOUR, title="changed"), release("2", date=PUBLISHED))
    contract = world_db.contracts.find_one({"noticeId": "1"})
    buyer = world_db.buyers.find_one()
    assert contract["title"] == "changed"
    assert {key: contract[key] for key in mine} == mine
    assert {key: buyer[key] for key in mine | theirs} == mine | theirs
    assert buyer["contractCount"] == 2


def test_recount_corrects_wrong_counts_only(writer, world_db):
    writer.commit(release("1", date=PUBLISHED), release("2", date=PUBLISHED, buyer=DURHAM))
    right = world_db.buyers.find_one({"orgId": DURHAM[0]})
    world_db.buyers.update_one({"orgId": LEEDS[0]}, {"$set": {"contractCount": 40}})
    world_db.buyers.insert_one({"orgId": "GB-GONE-1", "name": "Gone", "contractCount": 3})
    writer.clock.sleep(60)
    assert Buyers(world_db, writer.clock).recount_buyers() == 2
    assert counts(world_db) == {LEEDS[0]: 1, DURHAM[0]: 1, "GB-GONE-1": 0}
    assert world_db.buyers.find_one({"orgId": DURHAM[0]}) == right
    assert Buyers(world_db, writer.clock).recount_buyers() == 0


def test_buyers_are_recounted_from_the_index_alone(writer, world_db, monkeypatch):
    writer.commit(*(release(str(number), date=PUBLISHED) for number in range(20)))
    asked = aggregations(monkeypatch)
    Buyers(world_db, writer.clock).recount_buyers()
    explained = world_db.command("explain", asked[0], verbosity="executionStats")
    assert explained["executionStats"]["totalDocsExamined"] == 0


def test_rejected_release_is_kept_once(writer, world_db):
    rejections = [Rejection({"title": "no id"}, "no identity"), Rejection(b"{broken", "undecodable")]
    writer.commit(rejections=rejections)
    kept = list(world_db.rejectedReleases.find())
    assert len(kept) == 2
    writer.clock.sleep(60)
    writer.commit(rejections=rejections)
    assert list(world_db.rejectedReleases.find()) == kept, "as it was first met"


def test_sources_keep_their_rejected_releases_apart(world_db):
    one, other = Writer(world_db, FIND_A_TENDER), Writer(world_db, CONTRACTS_FINDER)
    mapped = release("1", date=PUBLISHED)
    for each in (one, other):
        each.commit(rejections=[Rejection(mapped, "it was odd")])
    one.commit(mapped)
    assert [each["source"] for each in world_db.rejectedReleases.find()] == [CONTRACTS_FINDER.name]


def test_suspect_windows_are_as_many_and_as_long_as_the_job_can_bear(writer, world_db):
    for number in range(22):
        writer.commit(suspect=f"{number} " + "x" * 3000)
    kept = [each["reason"] for each in world_db.syncJobs.find_one()["suspectWindows"]]
    assert (len(kept), kept[0][:4], kept[-1]) == (20, "2 xx", "21 " + "x" * 497)


def test_rejected_version_stays_when_the_stored_one_is_read_again(writer, world_db):
    stored, newer = release("1", date=PUBLISHED), release("1", date=PUBLISHED + HOUR, title="too large")
    writer.commit(stored, rejections=[Rejection(newer, "it is too large")])
    kept = world_db.rejectedReleases.find_one()
    writer.commit(stored, release("2", date=PUBLISHED))
    assert list(world_db.rejectedReleases.find()) == [kept]
    writer.commit(newer)
    assert world_db.rejectedReleases.count_documents({}) == 0


ENDLESS = "x" * 9_000_000


@pytest.mark.parametrize(
    "odd",
    [{"id": "1\0"}, {"id": "x" * 40_000}, {"id": ENDLESS}, {"ocid": ENDLESS}, {"buyer": {"name": "北" * 2_600_000}}],
    ids=["NUL in the id", "id longer than a regular expression", "id", "ocid", "buyer's name"],
)
def test_page_with_endless_ids_and_names_is_committed(writer, world_db, odd):
    contracts, rejections = [], []
    for number in range(3):
        raw = {"id": str(number), **odd, "title": str(number)}
        try:
            contracts.append(map_ocds_to_contract(raw, writer.source.name))
        except RejectedRelease as rejected:
            rejections.append(Rejection(raw, str(rejected)))
    writer.commit_contracts(contracts, rejections=rejections)
    assert world_db.contracts.count_documents({}) + world_db.rejectedReleases.count_documents({}) == 3


def test_contract_too_large_with_what_others_added_costs_no_other(writer, world_db, contracts):
    writer.commit(release("1", date=PUBLISHED))
    contracts.update_one({}, {"$set": {"enrichment": "x" * 9_000_000}})
    grown = release("1", date=PUBLISHED + HOUR, text="x" * 8_000_000)
    counts = writer.commit(release("2", date=PUBLISHED), grown, release("3", date=PUBLISHED))
    assert (counts["fetched"], counts["created"], counts["rejected"], counts["pages"]) == (3, 2, 1, 1)
    assert {each["noticeId"] for each in contracts.find()} == {"1", "2", "3"}
    assert world_db.rejectedReleases.find_one()["raw"] == grown
    assert world_db.syncJobs.find_one()["cursor"] == "next"


def test_of_two_versions_with_one_date_the_first_stays_also_of_a_page_in_halves(writer, contracts):
    newer, older = (release("1", date=PUBLISHED, title=title) for title in ("newer", "older"))
    writer.commit(release("big", date=PUBLISHED))
    contracts.update_one({}, {"$set": {"enrichment": "x" * 9_000_000}})
    writer.commit(newer, older, release("big", date=PUBLISHED + HOUR, text="x" * 8_000_000))
    assert contracts.find_one({"noticeId": "1"})["title"] == "newer"


def objects(*titles: str, date: datetime = PUBLISHED) -> list[dict[str, Any]]:
    """Make the releases of one notice that announces several procurements."""
    return [
        release("1", date=date, title=title) | {"ocid": f"ocds-h6vhtk-00000{number}"}
        for number, title in enumerate(titles, start=1)
    ]


def test_procurements_announced_by_one_notice_are_contracts_of_their_own(writer, contracts):
    salt, grit = objects("Salt", "Grit")
    writer.commit(salt)
    counts = writer.commit(grit, release("2", date=PUBLISHED))
    assert (counts["created"], counts["updated"], counts["doubled"]) == (2, 0, 0)
    stored = {each["noticeId"]: each for each in contracts.find()}
    assert stored.keys() == {"1", "1 ocds-h6vhtk-000002", "2"}
    assert [stored[key]["title"] for key in ("1", "1 ocds-h6vhtk-000002")] == ["Salt", "Grit"]
    assert {stored[key]["sourceUrl"] for key in ("1", "1 ocds-h6vhtk-000002")} == {stored["1"]["sourceUrl"]}
    assert {each["isLatest"] for each in stored.values()} == {True}
    for page in ([salt, grit], [grit, salt], [grit], [salt]):
        assert writer.commit(*page)["unchanged"] == len(page)
    (later,) = objects("Salt", "Grit, by rail", date=PUBLISHED + HOUR)[1:]
    assert writer.commit(later)["updated"] == 1
    assert [each["title"] for each in contracts.find().sort("noticeId", 1)] == ["Salt", "Grit, by rail", "Road salt"]


def test_procurements_announced_together_are_told_apart_within_a_page(writer, contracts):
    counts = writer.commit(*objects("Salt", "Grit", "Sand"), *objects("Salt", "Grit"))
    assert (counts["fetched"], counts["created"], counts["doubled"]) == (5, 3, 2)
    assert {each["title"] for each in contracts.find()} == {"Salt", "Grit", "Sand"}


@pytest.mark.parametrize("turned", [False, True])
def test_procurements_announced_once_more_with_another_beside_them_are_all_there(writer, contracts, turned):
    """In one page: what is told apart by its moment is so by the notice's new moment, not by the stored one."""
    writer.commit(*objects("Salt"))
    again = objects("Salt", "Grit", "Sand", date=PUBLISHED + HOUR)
    counts = writer.commit(*(reversed(again) if turned else again))
    assert (counts["created"], counts["updated"], counts["doubled"]) == (2, 1, 0)
    titles = {each["noticeId"]: each["title"] for each in contracts.find()}
    assert titles == {"1": "Salt", "1 ocds-h6vhtk-000002": "Grit", "1 ocds-h6vhtk-000003": "Sand"}


def test_two_versions_of_procurements_in_one_page_are_one_contract_each_whatever_their_order(writer, contracts):
    older, newer = (objects("Salt", "Grit", date=PUBLISHED + passed) for passed in (timedelta(), HOUR))
    counts = writer.commit(*newer, *reversed(older))
    assert (counts["created"], counts["doubled"]) == (2, 2)
    assert {each["noticeId"]: (each["title"], each["publishedDate"]) for each in contracts.find()} == {
        "1": ("Salt", PUBLISHED + HOUR),
        "1 ocds-h6vhtk-000002": ("Grit", PUBLISHED + HOUR),
    }


def test_procurement_that_was_taken_out_comes_back_under_its_notices_own_id(writer, contracts):
    writer.commit(*objects("Salt", "Grit"))
    contracts.delete_one({"noticeId": "1"})
    writer.commit(*reversed(objects("Salt", "Grit")))
    assert {each["noticeId"]: each["title"] for each in contracts.find()} == {
        "1": "Salt",
        "1 ocds-h6vhtk-000002": "Grit",
    }


@pytest.mark.parametrize("moved", [{"title": "Salt"}, {"date": PUBLISHED + HOUR, "title": "Grit"}])
def test_notice_linked_to_another_ocid_stays_one_contract(writer, contracts, moved):
    writer.commit(*objects("Salt"))
    relinked = release("1", **{"date": PUBLISHED, **moved}) | {"ocid": "ocds-h6vhtk-000002"}
    assert writer.commit(relinked)["updated"] == 1
    assert [(each["noticeId"], each["ocid"]) for each in contracts.find()] == [("1", "ocds-h6vhtk-000002")]


class PowerCut(Exception):
    """Stands for whatever ends a process in the middle of a page."""


CALLS = ("find", "find_one", "aggregate", "bulk_write", "update_one", "delete_many")


def cut_after(allowed: int, patched: pytest.MonkeyPatch) -> list[str]:
    """Let the n-th call to MongoDB be the last, once it has been carried out; return the calls as they are made."""
    made: list[str] = []
    inside: list[str] = []

    def counting(name: str, original: Any) -> Any:
        def call(self: Any, *args: Any, **options: Any) -> Any:
            if inside:  # find_one calls find
                return original(self, *args, **options)
            inside.append(name)
            try:
                result = original(self, *args, **options)
                answer = list(result) if name == "find" else result
            finally:
                inside.clear()
            made.append(f"{self.name}.{name}")
            if len(made) == allowed:
                raise PowerCut(made[-1])
            return answer

        return call

    for name in CALLS:
        patched.setattr(Collection, name, counting(name, getattr(Collection, name)))
    patched.setattr(Database, "aggregate", counting("aggregate", Database.aggregate))
    return made


def test_page_that_fails_at_any_step_leaves_everything_as_it_was(writer, world_db, monkeypatch):
    """A page that does all there is to do, cut off after each of its calls in turn."""
    writer.commit(release("1", date=PUBLISHED), release("2", date=PUBLISHED))
    page = [
        release("1", date=PUBLISHED + HOUR, buyer=DURHAM),
        release("2", date=PUBLISHED),
        release("3", date=PUBLISHED, buyer=("GB-COH-3", "Third")),
    ]
    full = {"rejections": [Rejection(None, "nothing")], "suspect": "no end"}
    before = dump(world_db)
    seen: list[str] = []
    for step in itertools.count(1):
        with monkeypatch.context() as patched:
            made = cut_after(step, patched)
            try:
                writer.commit(*page, **full)
                break
            except PowerCut as cut:
                seen.append(str(cut))
        assert dump(world_db) == before, f"after {made}"
    assert {"contracts.bulk_write", "buyers.bulk_write", "rejectedReleases.bulk_write"} <= set(seen)
    assert {"syncJobs.update_one", "syncRuns.update_one", "rejectedReleases.delete_many"} <= set(seen)
    assert dump(world_db) != before


def test_page_whose_commit_fails_leaves_everything_as_it_was(writer, world_db, monkeypatch):
    writer.commit(release("1", date=PUBLISHED))
    before = dump(world_db)

    def fail(_: ClientSession) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(ClientSession, "commit_transaction", fail)
        with pytest.raises(PowerCut):
            writer.commit(release("2", date=PUBLISHED, buyer=DURHAM))
    assert dump(world_db) == before


def test_two_sources_that_commit_the_same_buyers_at_once_count_right(world_db):
    """Their transactions meet at the buyers; the driver repeats whichever lost."""
    buyers = [(f"GB-COH-{number}", f"Council {number}") for number in range(3)]
    writers = [Writer(world_db, FIND_A_TENDER), Writer(world_db, CONTRACTS_FINDER)]
    pages, together, failures = 12, threading.Barrier(2, timeout=30), []

    def write(writer: Writer) -> None:
        try:
            for page in range(pages):
                together.wait()
                made = [
                    release(f"{page}-{number}", date=PUBLISHED, buyer=buyers[(page + number) % 3])
                    for number in range(4)
                ]
                moved = release("0-0", date=PUBLISHED + page * timedelta(minutes=1), buyer=buyers[page % 3])
                writer.commit(*made[1 if page == 0 else 0 :], moved)
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)
            together.abort()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert world_db.contracts.count_documents({}) == 2 * 4 * pages
    assert sum(counts(world_db).values()) == 2 * 4 * pages
    assert Buyers(world_db, writers[0].clock).recount_buyers() == 0


def test_place_of_the_page_is_written_with_it(writer, world_db):
    writer.commit(release("1", date=PUBLISHED))
    job = world_db.syncJobs.find_one()
    assert (job["cursor"], job["window"]["from"], job["totalFetched"]) == ("next", PUBLISHED, 1)
