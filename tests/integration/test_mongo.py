"""Connections to a MongoDB that requires a login: credentials, options, transactions."""

from __future__ import annotations

from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from pymongo import MongoClient
from pymongo.errors import InvalidOperation
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from tender_sync.connections import CLIENT_DEFAULTS, KeptDatabase, database
from tender_sync.errors import FixSetup
from tender_sync.sources import FIND_A_TENDER, MONGO_CONN_ID
from tender_sync.storage.schema import ensure_schema
from tests import histories
from tests.integration.writer import Writer
from tests.support.connections import MONGO_VARIABLE, mongo


@pytest.fixture
def connection(guarded, monkeypatch):
    """Set the Airflow connection to the guarded server: correct, except for what a test changes."""

    def set_connection(**changes: Any) -> str:
        host, port = guarded.address.split(":")
        right = {
            "host": host,
            "port": int(port),
            "schema": guarded.database,
            "login": guarded.app_user,
            "password": guarded.app_password,
            "extra": {"replicaSet": "rs0", "authSource": guarded.database},
        }
        monkeypatch.setenv(MONGO_VARIABLE, mongo(**right | changes))
        return MONGO_CONN_ID

    return set_connection


def refused(conn_id: str) -> str:
    with pytest.raises(FixSetup) as error, database(conn_id) as db:
        db.syncJobs.find_one({})
    message = str(error.value)
    assert "s3cret" not in message
    assert "'tendhunt_mongo'" in message
    assert "127.0.0.1" in message
    return message


def test_right_credentials_may_do_all_that_a_run_needs(connection):
    with database(connection()) as db, db.client.start_session() as session, session.start_transaction():
        db.contracts.insert_one({"noticeId": "1"}, session=session)
    with database(connection()) as db:
        assert db.contracts.find_one()["noticeId"] == "1"


def test_wrong_password_is_told_without_it(connection):
    message = refused(connection(password="s3cret-and-wrong"))  # noqa: S106 - made up
    for said in ("refuses the credentials", "login", "password", "authSource"):
        assert said in message


def test_wrong_auth_source_is_told(connection):
    message = refused(connection(extra={"replicaSet": "rs0", "authSource": "elsewhere"}))
    assert "authSource" in message


def test_missing_credentials_are_told(connection):
    message = refused(connection(login=None, password=None))
    assert "readWrite" in message or "login" in message


def test_user_without_rights_on_the_database_is_told(connection):
    message = refused(connection(schema="elsewhere"))
    assert "readWrite" in message


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"conn_type": "mongodb"}, "conn_type must be 'mongo'"),
        ({"conn_type": "mongodb+srv"}, "conn_type 'mongo'"),
        ({"extra": {"srv": True}}, "srv URI should not specify a port"),
        ({"port": 70_000}, "Port must be an integer"),
        ({"extra": {"maxPoolSize": "ten"}}, "maxPoolSize must be an integer"),
        ({"extra": {"tls": "yes"}}, "tls must be 'true' or 'false'"),
        ({"extra": {"authSource": 5}}, "Wrong type for authSource"),
        ({"extra": {"tls": True, "tlsCAFile": "/nowhere"}}, "No such file"),
    ],
    ids=str,
)
def test_connection_that_cannot_be_used_is_explained_to_run_and_page(connection, mistake, said):
    """And no retry is spent on it."""
    conn_id = connection(**mistake)
    for opened in (database(conn_id), KeptDatabase(conn_id).opened()):
        with pytest.raises(FixSetup, match=rf"'tendhunt_mongo'.* cannot be used.*{said}"), opened:
            pass


def test_client_is_small_and_impatient_unless_the_connection_says_otherwise(mongo_connection, monkeypatch, mongod):
    seen = []
    original = MongoClient.__init__

    def remember(self: Any, *args: Any, **options: Any) -> None:
        seen.append(options)
        original(self, *args, **options)

    monkeypatch.setattr(MongoClient, "__init__", remember)
    with database(mongo_connection):
        pass
    assert seen[0] | CLIENT_DEFAULTS == seen[0]
    assert 1 <= seen[0]["maxPoolSize"] <= 2
    assert (seen[0]["serverSelectionTimeoutMS"], seen[0]["connectTimeoutMS"]) == (5_000, 10_000)
    extra = {"replicaSet": mongod.replica_set, "maxPoolSize": 1, "serverSelectionTimeoutMS": 900}
    monkeypatch.setenv(MONGO_VARIABLE, mongo(port=mongod.port, schema="x", extra=extra))
    with database(mongo_connection):
        pass
    assert (seen[1]["maxPoolSize"], seen[1]["serverSelectionTimeoutMS"]) == (1, 900)


def test_transactions_are_committed_by_the_majority(mongo_connection, monkeypatch):
    """By default the primary of a replica set with an arbiter acknowledges them alone."""
    sent: list[Any] = []

    class Remember(CommandListener):
        def started(self, event: CommandStartedEvent) -> None:
            if event.command_name == "commitTransaction":
                sent.append(event.command.get("writeConcern"))

        def succeeded(self, event: CommandSucceededEvent) -> None:
            """Not looked at."""

        def failed(self, event: CommandFailedEvent) -> None:
            """Not looked at."""

    monkeypatch.setitem(CLIENT_DEFAULTS, "event_listeners", [Remember()])
    with database(mongo_connection) as db, db.client.start_session() as session:
        db.syncTurns.insert_one({"_id": "contracts"})
        session.with_transaction(lambda session: db.syncTurns.delete_many({}, session=session))
    assert sent == [{"w": "majority"}]


def test_dates_past_what_python_knows_are_no_obstacle(mongo_connection):
    """JavaScript, and so the first version and the web app, accept a deadline in the year 20244."""
    with database(mongo_connection) as db:
        ensure_schema(db)
        stored = {"source": "FIND_A_TENDER", "noticeId": "a", "ocid": histories.OCID}
        db.contracts.insert_one(stored | {"deadlineDate": DatetimeMS(576_000_000_000_000)})
        Writer(db, FIND_A_TENDER).commit(histories.release("b", "UK4 update", 1))
        assert db.contracts.count_documents({}) == 2


def test_client_is_closed_with_the_block(mongo_connection):
    with database(mongo_connection) as db:
        client = db.client
    with pytest.raises(InvalidOperation, match="after close"):
        client.admin.command("ping")
