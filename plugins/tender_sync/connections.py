"""Opens Airflow's connections to MongoDB and to the APIs; their failures become errors in plain words."""

import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import pymongo
from airflow.exceptions import AirflowConfigException
from airflow.providers.http.hooks.http import HttpHook
from airflow.providers.mongo.hooks.mongo import MongoHook
from airflow.sdk.exceptions import AirflowException
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.database import Database
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tender_sync.errors import FailRun, FixSetup

# The type of a database for rooms that must not import PyMongo.
MongoDatabase: TypeAlias = Database[dict[str, Any]]

# Milliseconds unless a name says otherwise. The connection's extra overrides all of these.
CLIENT_DEFAULTS = {
    "appname": "tender-sync",
    "maxPoolSize": 2,
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 10_000,
    "socketTimeoutMS": 120_000,
    # A transaction's commit takes its write concern from the client, not from the database. A page that only one node
    # has acknowledged is lost after a failover, and the run would go on behind it.
    "w": "majority",
}
# For the page in the UI: a few people at once, who prefer an early error to a long wait.
KEPT_DEFAULTS = CLIENT_DEFAULTS | {
    "appname": "tender-sync-page",
    "maxPoolSize": 4,
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 2_000,
}
# How every database is opened: datetimes are aware; reads and writes are of the majority, so nothing seen can be rolled
# back. Others may store years that Python does not know. For comparisons, Python's last year is enough.
DATABASE_OPTIONS: Mapping[str, Any] = {
    "codec_options": CodecOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_CLAMP),
    "read_concern": ReadConcern("majority"),
    "write_concern": WriteConcern("majority"),
}
_NOT_COMMITTED = "A page being written was not committed; the next run goes on from the one before"
_READ_AGAIN = "Nothing was changed; the page reads again within seconds"
_UNAUTHORISED, _WRONG_CREDENTIALS, _ATLAS_REFUSAL = 13, 18, 8000


@contextmanager
def database(conn_id: str) -> Iterator[MongoDatabase]:
    """Open the database of an Airflow connection (its schema) for the time of the block.

    Datetimes are aware. Reads and writes are by majority, so that nothing that was read can be rolled back.

    :raises FixSetup: the connection is missing or wrong, credentials are refused, or the server has no transactions
    :raises FailRun: the server cannot be reached, or failed inside the block
    """
    hook = _mongo_hook(conn_id)
    where = _where(hook)
    with hook, translate_mongo_errors(where):
        db = _open(hook, CLIENT_DEFAULTS)
        hello = db.client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise FixSetup(
                f"{where} is a standalone server, which has no transactions; expected a replica set (one node will "
                "do). Start it with `mongod --replSet rs0`, run `rs.initiate()` in mongosh once, and put "
                '{"replicaSet": "rs0"} into the connection\'s extra'
            )
        yield db


class KeptDatabase:
    """The database of an Airflow connection for many threads that read; opened at first use, and kept.

    PyMongo finds a server again after a failure. The next block uses a changed connection, without a restart.
    """

    def __init__(self, conn_id: str, *, seconds: float = 3.0) -> None:
        self._conn_id = conn_id
        self._seconds = seconds
        self._uri = ""
        self._db: MongoDatabase | None = None
        self._lock = threading.Lock()

    @contextmanager
    def opened(self) -> Iterator[MongoDatabase]:
        """Give the database for the time of the block, in which MongoDB must answer within `seconds` altogether.

        :raises FixSetup: the connection is missing or wrong, or credentials are refused
        :raises FailRun: the server cannot be reached, or does not answer in time
        """
        hook = _mongo_hook(self._conn_id)
        with translate_mongo_errors(_where(hook), _READ_AGAIN), pymongo.timeout(self._seconds):
            yield self._current(hook)

    def _current(self, hook: MongoHook) -> MongoDatabase:
        uri = hook.connection.get_uri()
        with self._lock:
            if self._db is None or self._uri != uri:
                self._db, self._uri = _open(hook, KEPT_DEFAULTS), uri
                # Closed when no thread uses it any more: another one may still read from the client before.
                weakref.finalize(self._db, self._db.client.close)
            return self._db


def describe_connection(conn_id: str) -> str:
    """Return how messages name the server of an Airflow connection."""
    return _where(_mongo_hook(conn_id))


def http_hook(conn_id: str, base_url: str) -> HttpHook:
    """Return the hook of an API's Airflow connection; `base_url` is the address to suggest when it cannot be used.

    :raises FixSetup: the connection is missing or wrong
    """
    hook = HttpHook(method="GET", http_conn_id=conn_id)
    try:
        hook.get_conn()
    except (AirflowException, ValueError) as error:
        raise FixSetup(
            f"the Airflow connection {conn_id!r} cannot be used: {error}. Expected one of type http, such "
            f'as AIRFLOW_CONN_{conn_id.upper()}=\'{{"conn_type": "http", "host": "{base_url}"}}\''
        ) from None
    return hook


def _where(hook: MongoHook) -> str:
    return f"MongoDB at {hook.connection.host} (connection {hook.mongo_conn_id!r})"


def _open(hook: MongoHook, defaults: Mapping[str, Any]) -> MongoDatabase:
    """Return the connection's database. The hook makes its client at the first call."""
    hook.extras = {**defaults, **hook.extras}
    try:
        client = hook.get_conn()
    except (ValueError, TypeError, OSError) as error:  # PyMongo's, for a wrong value, or a missing file, of an option
        raise ConfigurationError(str(error)) from error
    return client.get_database(hook.connection.schema, **DATABASE_OPTIONS)


def _mongo_hook(conn_id: str) -> MongoHook:
    try:
        hook = MongoHook(conn_id)
    except (AirflowException, AirflowConfigException) as error:
        raise FixSetup(
            f"the Airflow connection {conn_id!r} cannot be used: {error}. Expected one of type mongo with host and "
            f'schema (the database), such as AIRFLOW_CONN_{conn_id.upper()}=\'{{"conn_type": "mongo", '
            f'"host": "localhost", "port": 27017, "schema": "tendhunt", "extra": {{"replicaSet": "rs0"}}}}\''
        ) from None
    if not hook.connection.schema:
        raise FixSetup(f"the Airflow connection {conn_id!r} names no database: set its schema, for example 'tendhunt'")
    return hook


@contextmanager
def translate_mongo_errors(where: str, consequence: str = _NOT_COMMITTED) -> Iterator[None]:
    """Raise what PyMongo raises in the block as an error of ours; `where` names the server.

    :raises FixSetup: the connection, the credentials or the user's rights are wrong
    :raises FailRun: MongoDB failed, or cannot be reached
    """
    try:
        yield
    except ServerSelectionTimeoutError as error:
        reason = str(error).partition(", Timeout: ")[0][:300]  # without how long it tried, and what it knows of servers
        raise FailRun(
            f"{where} cannot be reached: {reason}. Check that it runs, that this machine may connect to it (firewall, "
            f"Atlas access list), and the connection's host, port and replicaSet. {consequence}"
        ) from None
    except ConfigurationError as error:
        raise FixSetup(f"{where} cannot be used as set up: {error}. Correct the connection, or its extra") from None
    except OperationFailure as error:
        raise _refusal(error, where) from None
    except PyMongoError as error:
        raise FailRun(f"{where} failed: {type(error).__name__}: {str(error)[:300]}. {consequence}") from error


def _refusal(error: OperationFailure, where: str) -> FailRun:
    reason = (error.details or {}).get("errmsg", "").rstrip(".")
    if error.code in {_WRONG_CREDENTIALS, _ATLAS_REFUSAL}:
        return FixSetup(
            f"{where} refuses the credentials: {reason}. Check login and password of the connection, and "
            '"authSource" in its extra'
        )
    if error.code == _UNAUTHORISED:
        return FixSetup(
            f"{where} does not allow what the sync needs: {reason[:300]}. Give its user the role readWrite on the "
            "database"
        )
    return FailRun(f"{where} refused a command: {str(error)[:500]} (code {error.code})")
