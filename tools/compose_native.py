"""Run docker-compose.yaml without Docker: every service's own command, environment and health check, on this machine.

`make compose-native` (Linux, with PostgreSQL's server installed) runs what the file says, unchanged. It replaces only
what a container would provide: host names, ports, folders, and the entry scripts of three images. It ends with the
first scheduled run of each DAG, seen through Airflow's API by the file's own user, into the file's own MongoDB.
docs/DEPLOY.md lists what this cannot show (images, networks, volumes, limits).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pymongo import MongoClient

from tender_sync.sources import SOURCES
from tools.local_json import ask
from tools.mongod import free_port, mongod_binary
from tools.ocds_server import Catalogue, OcdsServer, ServerClock, generate
from tools.options import ROOT
from tools.processes import Stopped, become_worker, end_descendants, guard

if TYPE_CHECKING:
    from collections.abc import Mapping

_WAIT_SECONDS = 180
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+):[-?]([^{}]*)\})")
_BESIDE_SCHEDULER = ("airflow-api-server", "airflow-dag-processor", "airflow-triggerer")


class Failed(Exception):
    """A service does not do what the file says; the text says how, for the user."""


@dataclass
class Native:
    """The file's services as processes of this machine, with all their state in `folder`."""

    folder: Path
    api_url: str
    services: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = (line.partition("=") for line in (ROOT / ".env.example").read_text().splitlines() if line[:1].isalpha())
        self.secrets = {name: value or secrets.token_urlsafe(48) for name, _, value in names}
        # 32 bytes as URL-safe base64, padding included.
        self.secrets["AIRFLOW_FERNET_KEY"] = f"{secrets.token_urlsafe(32)}="
        self.ports = {name: free_port() for name in ("postgres", "mongo", "api", "health")}
        self.secrets |= {"AIRFLOW_BASE_URL": self.url, "BACKFILL_START_DATE": "", "SYNC_PACE_SECONDS": ""}
        self.services = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
        for part in ("bin", "logs", "auth", "postgres", "mongo", "config", "tools"):
            (self.folder / part).mkdir()
        # What the images bring: mongod on the path, its entry script, and a chown to its user.
        for name, text in (
            ("docker-entrypoint.sh", f'exec "$@" --dbpath {self.folder}/mongo'),
            ("chown", "exit 0"),
            ("mongod", f'exec {mongod_binary()} "$@"'),
        ):
            script = self.folder / "bin" / name
            script.write_text(f"#!/bin/sh\n{text}\n")
            script.chmod(0o755)

    @property
    def url(self) -> str:
        """Return Airflow's address."""
        return f"http://localhost:{self.ports['api']}"

    def localised(self, text: str) -> str:
        """Interpolate as Compose does, and replace the containers' hosts, ports and folders by this machine's."""
        text = _VARIABLE.sub(lambda m: (self.secrets.get(m[1]) or m[2]) if m[1] else "$", text)
        for there, here in (
            ("postgres:5432", f"127.0.0.1:{self.ports['postgres']}"),
            ('"host": "mongo", "port": 27017', f'"host": "127.0.0.1", "port": {self.ports["mongo"]}'),
            ("airflow-api-server:8080", f"127.0.0.1:{self.ports['api']}"),
            ("localhost:8080", f"localhost:{self.ports['api']}"),
            ("localhost:8974", f"localhost:{self.ports['health']}"),
            ("/opt/airflow/tools", str(ROOT / "tools")),
            ("/opt/airflow", str(self.folder)),
            ("/data/configdb", str(self.folder / "config")),
            *((source.base_url, self.api_url) for source in SOURCES.values()),
        ):
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """Return the variables of the service's container, and those that name this machine's ports and folders."""
        given = self.services[name].get("environment", {})
        return {
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__API__PORT": str(self.ports["api"]),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.ports["health"]),
            "MONGO_ADDRESS": f"127.0.0.1:{self.ports['mongo']}",
            "MONGO_MEMBER": f"127.0.0.1:{self.ports['mongo']}",
            "PGPORT": str(self.ports["postgres"]),
            "NO_PROXY": "*",
            **{key: self.localised(value) for key, value in given.items()},
            # Not the file's: a short history, so that a run ends within a minute.
            "BACKFILL_START_DATE": f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}",
            "SYNC_PACE_SECONDS": "0",
        }

    def command(self, name: str) -> list[str]:
        """Return the service's command line; the Airflow image's entry script runs the subcommand it is given."""
        service = self.services[name]
        command = service["command"]
        words = [*service.get("entrypoint", []), *(command if isinstance(command, list) else command.split())]
        words = [self.localised(word) for word in words]
        if name == "mongo":
            words += ["--port", str(self.ports["mongo"])]
        return words if shutil.which(words[0], path=self.environment(name)["PATH"]) else ["airflow", *words]

    def start(self, name: str) -> None:
        """Start a long-running service."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self.folder, stdout=log, stderr=log
            )

    def run(self, name: str) -> None:
        """Run a one-shot service to its end."""
        began = time.monotonic()
        ended = subprocess.run(
            self.command(name), env=self.environment(name), cwd=self.folder, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise Failed(f"{name} ended with {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
        say(name, f"ended with 0 after {time.monotonic() - began:.0f} s")

    def await_health(self, *names: str) -> None:
        """Wait until each service's own health check passes."""
        began = time.monotonic()
        for name in names:
            program, *arguments = map(self.localised, self.services[name]["healthcheck"]["test"][1:])
            while subprocess.run(
                [program, *arguments], env=self.environment(name), capture_output=True, check=False
            ).returncode:
                process = self.processes.get(name)
                if (process and process.poll() is not None) or time.monotonic() - began > _WAIT_SECONDS:
                    tail = (self.folder / f"{name}.log").read_text()[-2000:]
                    raise Failed(f"{name} is not healthy by its own check after {_WAIT_SECONDS} s:\n{tail}")
                time.sleep(1)
            say(name, f"healthy by its own check after {time.monotonic() - began:.0f} s")

    def start_postgres(self) -> None:
        """Make and start PostgreSQL as its image would: with the file's user and password, over TCP."""
        bin_folder = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
        if bin_folder is None:
            raise Failed("PostgreSQL's server is not installed: apt-get install -y postgresql")
        data, password = self.folder / "postgres", self.folder / "auth" / "postgres"
        environment = self.environment("postgres")
        password.write_text(environment["POSTGRES_PASSWORD"])
        as_user: list[str] = []
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            for path in (self.folder, data, password.parent, password):
                shutil.chown(path, "postgres")
            as_user = ["runuser", "-u", "postgres", "--"]
        init = [str(bin_folder / "initdb"), "--auth=scram-sha-256", f"--pgdata={data}", f"--pwfile={password}"]
        user = f"--username={environment['POSTGRES_USER']}"
        subprocess.run([*as_user, *init, user], check=True, capture_output=True)
        socket = ["-c", f"unix_socket_directories={data}"]
        with (self.folder / "postgres.log").open("wb") as log:
            self.processes["postgres"] = subprocess.Popen(
                [*as_user, str(bin_folder / "postgres"), "-D", str(data), "-p", str(self.ports["postgres"]), *socket],
                stdout=log,
                stderr=log,
            )

    def create_database(self) -> None:
        """Create the file's database; the image does it together with the user."""
        environment = self.environment("postgres")
        program = shutil.which("createdb") or "createdb"
        subprocess.run(
            [program, "--host=127.0.0.1", f"--username={environment['POSTGRES_USER']}", environment["POSTGRES_DB"]],
            env={**environment, "PGPASSWORD": environment["POSTGRES_PASSWORD"]},
            check=True,
        )

    def ask(self, method: str, path: str, token: str = "", body: Mapping[str, Any] | None = None) -> Any:
        """Do one request to Airflow's API."""
        return ask(method, f"{self.url}{path}", body, token=token)


def say(name: str, what: str) -> None:
    """Print one line about a service."""
    print(f"  {name:<22} {what}", flush=True)


def show(native: Native, catalogue: Catalogue) -> None:
    """Start everything in the order of the file's dependencies, and run each DAG once.

    :raises Failed: a service or a DAG does not do what it should
    """
    native.start_postgres()
    native.start("mongo")
    native.await_health("postgres")
    native.create_database()
    _await_mongod(native)
    native.run("mongo-init")
    native.run("mongo-init")
    native.run("airflow-init")
    for name in _BESIDE_SCHEDULER:
        native.start(name)
    native.await_health(*native.services["airflow-scheduler"]["depends_on"].keys() & _BESIDE_SCHEDULER)
    native.start("airflow-scheduler")
    native.await_health(*_BESIDE_SCHEDULER, "airflow-scheduler")
    credentials = {"username": "admin", "password": native.secrets["AIRFLOW_ADMIN_PASSWORD"]}
    token = native.ask("POST", "/auth/token", body=credentials)["access_token"]
    for source in SOURCES.values():
        say(source.dag_id, _one_run(native, token, source.dag_id))
    login = f"tendhunt:{native.secrets['MONGO_APP_PASSWORD']}"
    uri = f"mongodb://{login}@127.0.0.1:{native.ports['mongo']}/tendhunt?authSource=tendhunt&directConnection=true"
    client: MongoClient[dict[str, Any]]
    with MongoClient(uri) as client:
        for name in SOURCES:
            stored = client.tendhunt.contracts.count_documents({"source": name})
            shown = len(catalogue.existing(name))
            say(name, f"{stored} contracts of {shown} notices")
            if stored != shown:
                raise Failed(f"{name}: {stored} contracts are stored, the server shows {shown} notices")


def _await_mongod(native: Native) -> None:
    """Check by pymongo what the file's check asks by mongosh: mongod runs, and waits for its replica set."""
    began = time.monotonic()
    client: MongoClient[dict[str, Any]]
    with MongoClient("127.0.0.1", native.ports["mongo"], directConnection=True) as client:
        hello = client.admin.command("hello")
    if not hello.get("isreplicaset"):
        raise Failed(f"mongod says {hello}; expected isreplicaset, as it waits to be initiated")
    say("mongo", f"waits for its replica set after {time.monotonic() - began:.0f} s (seen by pymongo, not mongosh)")


def _one_run(native: Native, token: str, dag_id: str) -> str:
    deadline = time.monotonic() + _WAIT_SECONDS
    path = "/api/v2/dags/~/dagRuns"  # of all DAGs: this one may not have been parsed yet
    while time.monotonic() < deadline:
        # Not paused, as the file says: the scheduler makes the run of the last full hour by itself.
        runs = [run for run in native.ask("GET", path, token)["dag_runs"] if run["dag_id"] == dag_id]
        if ended := [run for run in runs if run["state"] in {"success", "failed"}]:
            if ended[0]["state"] == "failed":
                raise Failed(f"{dag_id}: its first scheduled run failed; logs are in {native.folder}/logs")
            return f"not paused; its first scheduled run ({ended[0]['run_type']}) succeeded"
        time.sleep(1)
    raise Failed(f"{dag_id} has no finished run after {_WAIT_SECONDS} s; logs are in {native.folder}/logs")


def main() -> int:
    """Run the file's services, and end them whatever happens; returns the exit code."""
    if "--worker" not in sys.argv:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
        return guard([sys.executable, "-m", "tools.compose_native", "--worker"], environment)
    become_worker()
    now = datetime.now(UTC)
    catalogue = Catalogue(generate(5, now - timedelta(days=1), now, 60.0), clock=ServerClock())
    folder = Path(tempfile.mkdtemp(prefix="tender-compose-"))
    folder.chmod(0o755)
    print("docker-compose.yaml without Docker", flush=True)
    try:
        with OcdsServer(catalogue) as server:
            show(Native(folder, server.url), catalogue)
    except (Failed, subprocess.CalledProcessError) as failure:
        print(f"\nFAILED: {failure}\nlogs are in {folder}", flush=True)
        return 1
    except Stopped as stopped:
        return stopped.exit_code
    finally:
        end_descendants()
    shutil.rmtree(folder)
    print("every service did what the file says; nothing is left running", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
