"""The connection to MongoDB: MongoHook with a small pool and little budget, and failures said in plain words."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pymongo
from airflow.exceptions import AirflowConfigException
from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.mongo.hooks.mongo import MongoHook
from airflow.sdk.exceptions import AirflowException
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tender_sync.errors import FailRun, FixSetup
from tender_sync.sources import MONGO_CONN_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The database as the rooms without PyMongo name it.
MongoDatabase: TypeAlias = Database[dict[str, Any]]

# Milliseconds where a unit is not said. Anything in the connection's extra overrides these.
CLIENT_DEFAULTS = {
    "appname": "tender-sync",
    "maxPoolSize": 2,
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 10_000,
    "socketTimeoutMS": 120_000,
    # A transaction's commit takes it from the client and not from the database: a page acknowledged by one node alone
    # is gone after a failover, while the run goes on behind it.
    "w": "majority",
}
# For the page in the UI: a few people at once, who would rather be told than wait.
KEPT_DEFAULTS = CLIENT_DEFAULTS | {
    "appname": "tender-sync-page",
    "maxPoolSize": 4,
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 2_000,
}
_NOT_COMMITTED = "A page being written was not committed; the next run goes on from the one before"
_ASKED_AGAIN = "Nothing was changed; this is asked again within seconds"
_UNAUTHORISED, _WRONG_CREDENTIALS, _ATLAS_REFUSAL = 13, 18, 8000


@contextmanager
def database(conn_id: str = MONGO_CONN_ID) -> Iterator[MongoDatabase]:
    """Open the database of an Airflow connection (its schema), for the time of the block.

    Datetimes come back aware; reads and writes are of the majority, so that nothing seen can be rolled back.

    :raises FixSetup: the connection is missing or wrong, credentials are refused, or the server cannot do transactions
    :raises FailRun: the server cannot be reached, or failed inside the block
    """
    hook = _hook(conn_id)
    where = _where(hook)
    with hook, translate_mongo_errors(where):
        db = _open(hook, CLIENT_DEFAULTS)
        _require_transactions(db, where)
        yield db


class KeptDatabase:
    """The database of an Airflow connection for many threads that read: opened at first use, and kept.

    Opened anew after a failure and when the connection has been changed, so that no restart is needed for either; the
    client before is closed by the last thread that uses it.
    """

    def __init__(self, conn_id: str = MONGO_CONN_ID, *, seconds: float = 3.0) -> None:
        self._conn_id = conn_id
        self._seconds = seconds
        self._hook: MongoHook | None = None
        self._users: Counter[MongoHook] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def opened(self) -> Iterator[MongoDatabase]:
        """Give the database for the time of the block, in which MongoDB must answer within `seconds` altogether.

        :raises FixSetup: the connection is missing or wrong, or credentials are refused
        :raises FailRun: the server cannot be reached, or does not answer in time
        """
        with self._lock:
            hook = self._current_hook()
            with translate_mongo_errors(_where(hook), _ASKED_AGAIN):
                db = _open(hook, KEPT_DEFAULTS)
            self._hook = hook
            self._users[hook] += 1
        try:
            with translate_mongo_errors(_where(hook), _ASKED_AGAIN), pymongo.timeout(self._seconds):
                yield db
        except FailRun:
            with self._lock:
                if self._hook is hook:
                    self._hook = None
            raise
        finally:
            with self._lock:
                self._users[hook] -= 1
                self._close_if_unused(hook)

    def _current_hook(self) -> MongoHook:
        hook, kept = _hook(self._conn_id), self._hook
        if kept is None or kept.connection.get_uri() == hook.connection.get_uri():
            return kept or hook
        self._hook = None
        self._close_if_unused(kept)
        return hook

    def _close_if_unused(self, hook: MongoHook) -> None:
        if hook is not self._hook and not self._users[hook]:
            del self._users[hook]
            with hook:
                pass


def describe_connection(conn_id: str) -> str:
    """Return how messages name the server of an Airflow connection."""
    return _where(_hook(conn_id))


def http_hook(conn_id: str, base_url: str) -> HttpHook:
    """Return the hook of an Airflow connection to an API, for GET requests; `base_url` is for its error's example.

    :raises FixSetup: the connection is missing or cannot be used
    """
    hook = HttpHook(method="GET", http_conn_id=conn_id)
    try:
        hook.get_conn()
    except (AirflowException, ValueError) as error:
        raise FixSetup(
            f"the Airflow connection {conn_id!r} cannot be used: {error}. Expected one of type http, such as "
            f'AIRFLOW_CONN_{conn_id.upper()}=\'{{"conn_type": "http", "host": "{base_url}"}}\''
        ) from None
    return hook


def _where(hook: MongoHook) -> str:
    return f"MongoDB at {hook.connection.host} (connection {hook.mongo_conn_id!r})"


def _open(hook: MongoHook, defaults: Mapping[str, Any]) -> MongoDatabase:
    """Return the connection's database; the hook makes its client at the first call."""
    hook.extras = {**defaults, **hook.extras}
    try:
        client = hook.get_conn()
    except (ValueError, TypeError, OSError) as error:  # PyMongo's, for an option's value, and a file that one names
        raise ConfigurationError(str(error)) from error
    return client.get_database(
        hook.connection.schema,
        # Whoever else writes may store years that Python does not know; to compare them, its last one will do.
        codec_options=CodecOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_CLAMP),
        read_concern=ReadConcern("majority"),
        write_concern=WriteConcern("majority"),
    )


def _hook(conn_id: str) -> MongoHook:
    try:
        hook = MongoHook(conn_id)
    except (AirflowException, AirflowConfigException) as error:
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


def _require_transactions(db: MongoDatabase, where: str) -> None:
    hello = db.client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise FixSetup(
            f"{where} is a standalone server, which has no transactions; expected a replica set (one node will do). "
            "Start it with `mongod --replSet rs0`, run `rs.initiate()` in mongosh once, and put "
            '{"replicaSet": "rs0"} into the connection\'s extra'
        )


@contextmanager
def translate_mongo_errors(where: str, consequence: str = _NOT_COMMITTED) -> Iterator[None]:
    """Raise what PyMongo raises in the block as an error of ours, in plain words; `where` names the server.

    :raises FixSetup: the connection, the credentials or the user's rights are wrong
    :raises FailRun: MongoDB failed, or cannot be reached
    """
    try:
        yield
    except ServerSelectionTimeoutError as error:
        raise FailRun(
            f"{where} cannot be reached: {_without_topology(error)}. Check that it runs, that this machine may connect "
            f"to it (firewall, Atlas access list), and the connection's host, port and replicaSet. {consequence}"
        ) from None
    except ConfigurationError as error:
        raise FixSetup(f"{where} cannot be used as set up: {error}. Correct the connection, or its extra") from None
    except OperationFailure as error:
        raise _refusal(error, where) from None
    except PyMongoError as error:
        raise FailRun(f"{where} failed: {type(error).__name__}: {str(error)[:300]}. {consequence}") from error


def _without_topology(error: ServerSelectionTimeoutError) -> str:
    """Return what failed; PyMongo appends how long it tried, and all it knows of the servers."""
    return str(error).partition(", Timeout: ")[0][:300]


def _refusal(error: OperationFailure, where: str) -> FailRun:
    said = (error.details or {}).get("errmsg", "").rstrip(".")
    if error.code in {_WRONG_CREDENTIALS, _ATLAS_REFUSAL}:
        return FixSetup(
            f"{where} refuses the credentials: {said}. Check login and password of the connection, and "
            '"authSource" in its extra'
        )
    if error.code == _UNAUTHORISED:
        return FixSetup(
            f"{where} does not allow what the sync needs: {said[:300]}. Give its user the role readWrite on the "
            "database"
        )
    return FailRun(f"{where} refused a command: {str(error)[:500]} (code {error.code})")
