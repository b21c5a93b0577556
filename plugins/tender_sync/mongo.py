"""The connection to MongoDB: MongoHook with a small pool and little patience, and failures said in plain words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.mongo.hooks.mongo import MongoHook
from airflow.sdk.exceptions import AirflowException
from bson.codec_options import CodecOptions
from pymongo.errors import (
    ConfigurationError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tender_sync.errors import FixSetup, StopRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

MONGO_CONN_ID = "tendhunt_mongo"
# Milliseconds where a unit is not said. Anything in the connection's extra overrides these.
CLIENT_DEFAULTS = {
    "appname": "tender-sync",
    "maxPoolSize": 2,
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 10_000,
    "socketTimeoutMS": 120_000,
}
_UNAUTHORISED, _WRONG_CREDENTIALS, _ATLAS_REFUSAL = 13, 18, 8000


@contextmanager
def database(conn_id: str = MONGO_CONN_ID) -> Iterator[Database[dict[str, Any]]]:
    """Open the database of an Airflow connection (its schema), for the time of the block.

    Datetimes come back aware; reads and writes are of the majority, so that nothing seen can be rolled back.

    :raises FixSetup: the connection is missing or wrong, credentials are refused, or the server cannot do transactions
    :raises StopRun: the server cannot be reached, or failed inside the block
    """
    hook = _hook(conn_id)
    where = f"MongoDB at {hook.connection.host} (connection {conn_id!r})"
    with hook, _in_plain_words(where):
        hook.extras = CLIENT_DEFAULTS | hook.extras
        db: Database[dict[str, Any]] = hook.get_conn().get_database(
            hook.connection.schema,
            codec_options=CodecOptions(tz_aware=True),
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority"),
        )
        _require_transactions(db, where)
        yield db


def _hook(conn_id: str) -> MongoHook:
    try:
        hook = MongoHook(conn_id)
    except AirflowException as error:
        raise FixSetup(
            f"the Airflow connection {conn_id!r} cannot be used: {error}. Expected one of type mongo with host and "
            f'schema (the database), such as AIRFLOW_CONN_{conn_id.upper()}=\'{{"conn_type": "mongo", '
            f'"host": "localhost", "port": 27017, "schema": "tendhunt", "extra": {{"replicaSet": "rs0"}}}}\''
        ) from None
    if not hook.connection.schema:
        raise FixSetup(
            f"the Airflow connection {conn_id!r} names no database: set its schema, for example to 'tendhunt'"
        )
    return hook


def _require_transactions(db: Database[dict[str, Any]], where: str) -> None:
    hello = db.client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise FixSetup(
            f"{where} is a standalone server, which has no transactions; expected a replica set (one node will do). "
            "Start it with `mongod --replSet rs0`, run `rs.initiate()` in mongosh once, and put "
            '{"replicaSet": "rs0"} into the connection\'s extra'
        )


@contextmanager
def _in_plain_words(where: str) -> Iterator[None]:
    try:
        yield
    except ServerSelectionTimeoutError as error:
        raise StopRun(
            f"{where} cannot be reached: {str(error)[:300]}. Check that it runs, that this machine may connect to it "
            "(firewall, Atlas access list), and the connection's host, port and replicaSet. Nothing was lost; the next "
            "run goes on"
        ) from None
    except ConfigurationError as error:
        raise FixSetup(f"{where} cannot be used as set up: {error}. Correct the connection's extra") from None
    except OperationFailure as error:
        raise _refusal(error, where) from None
    except PyMongoError as error:
        raise StopRun(
            f"{where} failed: {type(error).__name__}: {str(error)[:300]}. The page being written was not committed; "
            "the next run goes on from the one before"
        ) from error


def _refusal(error: OperationFailure, where: str) -> StopRun:
    if error.code in {_WRONG_CREDENTIALS, _ATLAS_REFUSAL}:
        return FixSetup(
            f"{where} refuses the credentials: {(error.details or {}).get('errmsg', '').rstrip('.')}. Check login and "
            'password of the connection, and "authSource" in its extra'
        )
    if error.code == _UNAUTHORISED:
        return FixSetup(
            f"{where} does not allow what the sync needs: {str(error)[:300]}. Give its user the role readWrite on the "
            "database"
        )
    return StopRun(f"{where} refused a command: {str(error)[:500]} (code {error.code})")
