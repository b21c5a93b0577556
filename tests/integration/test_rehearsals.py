"""What docs/OPERATIONS.md says of databases, rehearsed: back up and restore, move to another, rotate credentials."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from tender_sync.errors import FixSetup
from tests.integration.oracle import problems
from tests.integration.test_failures import failure, set_mongo, sync

__all__ = ["sync"]  # pytest finds fixtures by being imported

OLD, NEW = "s3cret-old", "s3cret-new"


@pytest.fixture
def world(world, db):
    """A database of its own: here collections are dropped, with their indexes."""
    return replace(world, db=db)


def back_up(db):
    """Copy every collection, byte by byte as mongodump does; indexes are left to the next run."""
    raw = db.with_options(db.codec_options.with_options(document_class=RawBSONDocument))
    return {name: list(raw[name].find()) for name in db.list_collection_names()}


def restore(saved, db):
    """Put a copy back as `mongorestore --drop` does: each collection in it is replaced, later ones stay."""
    for name, documents in saved.items():
        db[name].drop()
        if documents:
            db[name].insert_many(documents)


@pytest.mark.parametrize("backfilling", [True, False], ids=["backfilling", "syncing"])
def test_restored_backup_goes_on_from_its_own_cursor_and_fetches_again_what_came_since(sync, world, backfilling):
    sync(1 if backfilling else None)
    place = world.run_into_a_window() if backfilling else world.place
    saved = back_up(world.db)
    world.pass_time(hours=5)
    world.publish("990001-2026")
    sync()
    restore(saved, world.db)
    assert world.place == place
    assert not world.contract("990001-2026")
    world.pass_time(days=4)
    sync()
    assert world.contract("990001-2026")
    assert problems(world) == []


def test_database_copied_elsewhere_goes_on_from_its_own_cursor_and_an_empty_one_begins_anew(
    sync, world, client, mongod, monkeypatch
):
    sync(1)
    place = world.run_into_a_window()
    for name, saved in (("copied", back_up(world.db)), ("empty", {})):
        there = replace(world, db=client[f"{world.db.name}_{name}"])
        restore(saved, there.db)
        set_mongo(monkeypatch, port=mongod.port, schema=there.db.name, extra={"replicaSet": mongod.replica_set})
        asked = len(world.server.requests)
        sync()
        first = world.server.requests[asked].query
        try:
            assert ("cursor" in first) == bool(saved)
            assert problems(there) == []
        finally:
            client.drop_database(there.db)
    assert world.place == place, "what was left behind is not touched"


@pytest.fixture
def user(guarded, world, monkeypatch):
    """A user of the guarded server with a database of its own; what changes its password, and what the connection's."""
    host, port = guarded.address.split(":")
    with MongoClient(
        host, int(port), username=guarded.root_user, password=guarded.root_password, tz_aware=True
    ) as root:
        there = root[world.db.name]
        there.command("createUser", "app", pwd=OLD, roles=["readWrite"])

        def rotate():
            there.command("updateUser", "app", pwd=NEW)

        def connect(password):
            extra = {"replicaSet": "rs0", "authSource": there.name}
            who = {"login": "app", "password": password, "schema": there.name, "extra": extra}
            set_mongo(monkeypatch, host=host, port=int(port), **who)

        yield replace(world, db=there), rotate, connect
        there.command("dropUser", "app")
        root.drop_database(there)


def test_changed_password_stops_the_next_run_with_one_message_and_the_one_after_the_connections_goes_on(sync, user):
    world, rotate, connect = user
    connect(OLD)
    sync(1)
    place = world.place
    rotate()
    for _ in range(2):
        assert "refuses the credentials" in failure(sync, FixSetup)
    assert world.place == place
    connect(NEW)
    sync()
    assert problems(world) == []


def test_run_at_work_keeps_the_password_it_began_with(sync, user, monkeypatch):
    world, rotate, connect = user
    connect(OLD)
    original, asked = world.server.api.answer, []

    def answer(*args, **options):
        asked.append(1)
        if len(asked) == 2:
            rotate()
        return original(*args, **options)

    monkeypatch.setattr(world.server.api, "answer", answer)
    sync()
    assert len(asked) > 2
    assert problems(world) == []
