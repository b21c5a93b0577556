"""Airflow with its UI on 127.0.0.1, as four processes of its own, until the user ends it."""

from __future__ import annotations

import http.client
import secrets
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from tools.local_json import ask
from tools.mongod import free_port
from tools.options import shown
from tools.stack import Failed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tools.stack import Stack

_USUAL_PORT = 8080
_START_SECONDS = 180
# What `airflow standalone` starts, without its wrapper: that leaves its children behind when it is ended, and starts
# two log servers on all of the machine's addresses.
API_SERVER = ("api-server", "--host", "127.0.0.1")
_DAG_PROCESSOR, _TRIGGERER = ("dag-processor",), ("triggerer", "--skip-serve-logs")
# Started when the API server answers: it starts tasks at once, and a task that cannot report there fails.
_SCHEDULER = ("scheduler", "--skip-serve-logs")


def show_ui(stack: Stack, environment: Mapping[str, str]) -> NoReturn:
    """Start Airflow, print its address when it is healthy, and stay until the process is told to stop.

    Everybody on this machine is its admin; nobody else can reach it.

    :raises Failed: a component ended, or is not healthy in time
    """
    print("starting Airflow: about half a minute", flush=True)
    ui = start_ui(stack, {**environment, "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}, port=_port())
    print(
        f"\nAirflow: {ui.address} (no login: everybody on this machine is admin)\n"
        f"Where the sync is: {ui.address}/plugin/tender-sync (Tender sync in the navigation)\n"
        f"MongoDB: {stack.mongod.uri} (database {stack.db.name})\n"
        "The DAGs of both sources are on and run at every full hour; the button with the triangle runs one now.\n"
        "Ctrl-C ends everything; `make ui` brings it back with the same data.",
        flush=True,
    )
    ui.watch()


@dataclass
class Ui:
    """Airflow's components on 127.0.0.1:`port`; they end with the stack. `environment` adds to the stack's."""

    stack: Stack
    environment: Mapping[str, str]
    port: int
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = {
            **self.environment,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.address,  # tasks report to it; by default they would to port 8080
            # HS512 wants a key of 64 bytes; the one that Airflow makes for itself has 24.
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
            "AIRFLOW__CORE__PARALLELISM": "4",
        }

    @property
    def address(self) -> str:
        """Return the address of the UI."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *commands: tuple[str, ...]) -> None:
        """Start components, each by the words of its `airflow` command."""
        for name, *options in commands:
            self.parts[name] = self.stack.airflow(name, *options, log=f"{name}.log", **self.environment)

    def await_health(self, *names: str) -> None:
        """Wait until the API server answers and reports each of `names` healthy.

        :raises Failed: a component ended, or they are not healthy in time
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._healthy(*names):
            self.check()
            if time.monotonic() > deadline:
                logs = shown(self.stack.logs)
                raise Failed(f"Airflow is not healthy after {_START_SECONDS} s; its logs are in {logs}")
            time.sleep(0.5)

    def _healthy(self, *names: str) -> bool:
        try:
            components = ask("GET", f"{self.address}/api/v2/monitor/health", timeout=5)
        except (OSError, http.client.HTTPException):
            return False  # not yet
        return all(components[name]["status"] == "healthy" for name in names)

    def check(self) -> None:
        """Raise Failed if a component has ended."""
        self.stack.check()
        for name, process in self.parts.items():
            if process.poll() is not None:
                log = shown(self.stack.logs / f"{name}.log")
                raise Failed(f"Airflow's {name} has ended by itself; the reason is in {log}")

    def watch(self) -> NoReturn:
        """Stay until the process is told to stop; raise Failed if a component has ended."""
        while True:
            self.check()
            time.sleep(1)


def start_ui(stack: Stack, environment: Mapping[str, str], port: int) -> Ui:
    """Start Airflow and return when it is healthy.

    :raises Failed: a component ended, or is not healthy in time
    """
    ui = Ui(stack, environment, port)
    ui.start(API_SERVER, _DAG_PROCESSOR, _TRIGGERER)
    ui.await_health("metadatabase")
    ui.start(_SCHEDULER)
    ui.await_health("scheduler", "dag_processor")
    return ui


def _port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            return free_port()
    return _USUAL_PORT
