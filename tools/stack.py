"""Starts and ends what a demo needs: mongod, the local OCDS server and Airflow. All state is in one folder."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient

from tender_sync.sources import MONGO_CONN_ID, SOURCES
from tools.local_json import ask
from tools.mongod import running_mongod
from tools.ocds_server.state import StateFile
from tools.options import ROOT, SETTINGS, shown
from tools.processes import end

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pymongo.database import Database

    from tools.mongod import Mongod
    from tools.options import Options

DATABASE = "tendhunt"
START_SECONDS = 120
_SQLITE_SECONDS = 60
# A demo takes 320 MB, most of it mongod's journal, which is allocated at the start. On a full disk mongod ends at once.
_DISK_BYTES = 400 * 2**20
# A sync may be killed at any time without losing a page, and the triggerer waits 10 s for nothing.
COMMAND_GRACE_SECONDS = 5.0
# One in a hundred generated releases has something odd about it, and most of these still become contracts.
DIRTY = 0.01
_NOT_INHERITED = (*SETTINGS, "PYTHON")


class Failed(Exception):
    """The demo cannot go on; the text says why, for the user."""


@dataclass
class Server:
    """The local OCDS server, a process of its own, and its control API."""

    url: str
    process: subprocess.Popen[bytes]

    def ask(self, method: str, operation: str, body: Mapping[str, Any] | None = None) -> Any:
        """Do one operation of the control API. One that begins with `/` is a path of the two services instead.

        :raises Failed: the server does not answer as it should
        """
        path = operation if operation.startswith("/") else f"/_control/{operation}"
        try:
            return ask(method, f"{self.url}{path}", body)
        except OSError as error:
            raise Failed(f"the OCDS server does not answer {method} {path}: {error}") from None


@dataclass
class Stack:
    """A running mongod (`db`), the OCDS server (None: the real services), and Airflow with its tables made."""

    folder: Path
    mongod: Mongod
    db: Database[dict[str, Any]]
    server: Server | None
    environment: dict[str, str]
    commands: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def logs(self) -> Path:
        """Return the folder of the logs."""
        return self.folder / "logs"

    def airflow(self, *arguments: str, log: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start an `airflow` command; its output goes to the file `log`. It ends with the stack at the latest."""
        process = _airflow(self.folder, {**self.environment, **environment}, *arguments, log=log)
        self.commands.append(process)
        return process

    def pause(self) -> None:
        """Pause all DAGs, as their switches in the UI do."""
        with closing(_metadata(self.folder)) as metadata, metadata:
            metadata.execute("UPDATE dag SET is_paused = 1")

    def check(self) -> None:
        """Raise Failed if the OCDS server has ended."""
        if self.server and self.server.process.poll() is not None:
            raise Failed(f"the OCDS server has ended by itself; the reason is in {shown(self.logs / 'server.log')}")


@contextmanager
def running_stack(options: Options) -> Iterator[Stack]:
    """Start everything that `options` ask for; end it with the block, Airflow before MongoDB, so that nothing is lost.

    :raises Failed: something does not start, or another demo is at work on the same data
    """
    folder = options.folder
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(folder).free) < _DISK_BYTES:
        met = f"the disk of {shown(folder)} has {free // 2**20} MB left"
        raise Failed(f"{met}; expected at least {_DISK_BYTES // 2**20} MB: free some, and start it again")
    environment = _clean_environment(folder)
    with ExitStack() as everything:
        _lock(folder, everything)
        # All at once: each takes seconds.
        migration = _airflow(folder, environment, "db", "migrate", log="migrate.log")
        everything.callback(end, migration)
        server = None if options.show == "live" else _serve(options, environment, everything)
        mongod = everything.enter_context(running_mongod(folder / "mongo"))
        client: MongoClient[dict[str, Any]] = everything.enter_context(
            MongoClient(mongod.uri, tz_aware=True, serverSelectionTimeoutMS=5_000)
        )
        db = client[DATABASE]
        # The lease of a run that was killed. Nobody else can be writing: this mongod has just been started.
        db["syncJobs"].update_many({}, {"$set": {"lease": None}})
        if server is not None:
            server.url = _await_server(folder, server)
        environment |= _connections(mongod, server)
        _finish(migration, folder / "logs" / "migrate.log")
        _register_dags(folder, environment)
        _forget_dead_runs(folder)
        stack = Stack(folder, mongod, db, server, environment)
        try:
            yield stack
        finally:
            end(*stack.commands, grace=COMMAND_GRACE_SECONDS)


def _lock(folder: Path, until: ExitStack) -> None:
    lock = until.enter_context((folder / "lock").open("a+"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise Failed(
            f"process {lock.read().strip()} is already at work on {shown(folder)}: wait for its end, or end it"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()


def metadata_address(folder: Path) -> str:
    """Return the address of Airflow's own database under a demo's folder.

    Its processes write at the same time. A writer waits up to 60 s for another; by default it gives up after 5 s.
    """
    return f"sqlite:///{folder}/airflow/airflow.db?timeout={_SQLITE_SECONDS}"


def _clean_environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    local = ",".join(filter(None, ("127.0.0.1,localhost", kept.get("NO_PROXY") or kept.get("no_proxy"))))
    return {
        **kept,
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{kept.get('PATH', os.defpath)}",  # noqa: PTH120 - as text
        "NO_PROXY": local,
        "no_proxy": local,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata_address(folder),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # All deprecations but one: Airflow 3.3 calls pathspec by an old name, and mypy needs a pathspec that says so.
        "PYTHONWARNINGS": "default::DeprecationWarning,ignore:GitWildMatchPattern:DeprecationWarning",
    }


def _connections(mongod: Mongod, server: Server | None) -> dict[str, str]:
    # Without the name of the replica set, which the client finds out: Airflow warns that it is too short to be masked.
    mongo = mongod.connection(DATABASE) | {"extra": {}}
    hosts = {
        source.http_conn_id: {"conn_type": "http", "host": server.url if server else source.base_url}
        for source in SOURCES.values()
    }
    return {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection)
        for name, connection in {MONGO_CONN_ID: mongo, **hosts}.items()
    }


def _serve(options: Options, environment: Mapping[str, str], until: ExitStack) -> Server:
    folder = options.folder
    state = folder / "server.json"
    command = [sys.executable, "-m", "tools.ocds_server", "--state-file", str(state)]
    command += ["--ready-file", str(folder / "server.address")]
    (folder / "server.address").unlink(missing_ok=True)
    if StateFile(state).world() is None:  # else it goes on with the world it has
        start = datetime.now(UTC).date() - timedelta(days=options.days)
        world: dict[str, object] = {"per-day": 0, "releases": options.releases}
        if options.releases is None:
            world = {"per-day": options.per_day, "dirty": DIRTY, "start": start.isoformat()}
        command += [f"--{name}={value}" for name, value in world.items()]
    with (folder / "logs" / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(environment), stdout=log, stderr=log, start_new_session=True
        )
    until.callback(end, process)
    return Server("", process)


def _await_server(folder: Path, server: Server) -> str:
    address = folder / "server.address"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        if address.exists() and (url := address.read_text().strip()):
            return url
        time.sleep(0.05)
    raise Failed(f"the OCDS server did not start; the reason is in {shown(folder / 'logs' / 'server.log')}")


def _airflow(folder: Path, environment: Mapping[str, str], *arguments: str, log: str) -> subprocess.Popen[bytes]:
    home = folder / "airflow"
    home.mkdir(exist_ok=True)
    with (folder / "logs" / log).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            cwd=home,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _finish(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.wait():
        raise Failed(f"`{' '.join(map(str, process.args[1:]))}` failed; the reason is in {shown(log)}")  # type: ignore[index]


def _register_dags(folder: Path, environment: Mapping[str, str]) -> None:
    """Store both DAGs in Airflow's database: two `dags test` at once would both find them missing and insert them."""
    with closing(_metadata(folder)) as metadata:
        known = {dag_id for (dag_id,) in metadata.execute("SELECT dag_id FROM dag")}
    if not known >= {source.dag_id for source in SOURCES.values()}:
        process = _airflow(folder, environment, "dags", "reserialize", log="migrate.log")
        try:
            _finish(process, folder / "logs" / "migrate.log")
        finally:
            end(process)


def _forget_dead_runs(folder: Path) -> None:
    """Mark killed runs and tasks as failed: a DAG has one run at a time, and Airflow would wait for the dead one."""
    with closing(_metadata(folder)) as metadata, metadata:
        for table in ("dag_run", "task_instance"):
            metadata.execute(f"UPDATE {table} SET state = 'failed' WHERE state IN ('running', 'queued')")  # noqa: S608 - two fixed names


def _metadata(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "airflow" / "airflow.db", timeout=_SQLITE_SECONDS)
