"""The indexes that replays rely on, in a new database and in one the web app has used before."""

from __future__ import annotations

import pytest
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from tender_sync.errors import FixSetup
from tender_sync.storage.schema import INDEXES, ensure_schema


def indexes(db):
    return {name: {index: dict(spec) for index, spec in db[name].index_information().items()} for name in INDEXES}


def test_new_database_gets_every_collection_and_index(db):
    ensure_schema(db)
    made = indexes(db)
    unique = {name: [spec["key"] for spec in made[name].values() if spec.get("unique")] for name in made}
    assert set(db.list_collection_names()) == set(INDEXES)
    assert unique["contracts"] == [[("source", 1), ("noticeId", 1)]]
    assert unique["buyers"] == [[("orgId", 1)]]
    assert unique["syncJobs"] == [[("source", 1)]]


def test_second_time_changes_nothing(db):
    ensure_schema(db)
    before = indexes(db)
    ensure_schema(db)
    assert indexes(db) == before


def test_same_index_under_another_name_counts_as_there(db):
    """The web app's ODM names its indexes itself, and has others of its own."""
    db.contracts.create_indexes(
        [
            IndexModel([("source", 1), ("noticeId", 1)], unique=True, name="notice_key"),
            IndexModel([("title", "text"), ("description", "text")], name="search"),
            IndexModel([("publishedDate", -1)], name="newest"),
        ]
    )
    db.buyers.create_index([("orgId", 1)], unique=True, name="organisation")
    ensure_schema(db)
    contracts, buyers = indexes(db)["contracts"], indexes(db)["buyers"]
    assert {"notice_key", "search", "newest"} < set(contracts)
    assert [spec["key"] for spec in contracts.values()].count([("source", 1), ("noticeId", 1)]) == 1
    assert [spec["key"] for spec in buyers.values()].count([("orgId", 1)]) == 1


@pytest.mark.parametrize(
    ("collection", "keys", "named"),
    [
        ("contracts", [("source", 1), ("noticeId", 1)], "source+noticeId"),
        ("buyers", [("orgId", 1)], "orgId"),
        ("syncJobs", [("source", 1)], "source"),
    ],
)
def test_existing_index_that_is_not_unique_is_named_with_the_remedy(db, collection, keys, named):
    db[collection].create_index(keys)
    with pytest.raises(FixSetup) as refused:
        ensure_schema(db)
    message = str(refused.value)
    for said in (repr(collection), named, "not unique", "Drop that index"):
        assert said in message
    db[collection].drop_index(keys)
    ensure_schema(db)


def test_existing_doubles_are_named_with_the_remedy(db):
    db.buyers.insert_many([{"orgId": "GB-COH-1"}, {"orgId": "GB-COH-1"}])
    with pytest.raises(FixSetup) as refused:
        ensure_schema(db)
    for said in ("'buyers'", "orgId", "GB-COH-1", "Remove the doubles"):
        assert said in str(refused.value)


def test_collections_are_made_once_when_two_sources_begin_at_once(db, monkeypatch):
    """The other run creates a collection between this one's look and its own attempt."""
    original = type(db).list_collection_names
    ensure_schema(db)
    with monkeypatch.context() as patched:
        patched.setattr(type(db), "list_collection_names", lambda *_, **__: [])
        ensure_schema(db)
    assert set(original(db)) == set(INDEXES)


def test_collections_are_compressed_by_zstd(db):
    ensure_schema(db)
    said = db.command("collStats", "contracts")["wiredTiger"]["creationString"]
    assert "block_compressor=zstd" in said


def test_a_server_whose_storage_cannot_be_chosen_gets_its_collections_all_the_same(db, monkeypatch):
    create = db.create_collection

    def refuse(name, **options):
        if "storageEngine" in options:
            raise OperationFailure("storageEngine is not allowed", code=8000)
        return create(name, **options)

    monkeypatch.setattr(db, "create_collection", refuse)
    ensure_schema(db)
    assert set(db.list_collection_names()) == set(INDEXES)
