"""Airflow with its UI on 127.0.0.1, as four processes of its own, until the user ends it."""

from __future__ import annotations

import http
import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tools.mongod import free_port
from tools.options import shown
from tools.stack import Failed

if TYPE_CHECKING:
    import subprocess

    from tools.stack import Stack

_USUAL_PORT = 8080
_START_SECONDS = 180
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# What `airflow standalone` starts, without its wrapper: that leaves its children behind when it is ended, and starts
# two log servers on all of the machine's addresses.
_COMPONENTS = (
    ("api-server", "--host", "127.0.0.1"),
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
    ("triggerer", "--skip-serve-logs"),
)


def show_ui(stack: Stack, environment: dict[str, str]) -> None:
    """Start Airflow, print its address when it is healthy, and stay until the process is told to stop.

    Everybody on this machine is its admin; nobody else can reach it.

    :raises Failed: a part of it ended, or it is not healthy in time
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


@dataclass(frozen=True)
class Ui:
    """Airflow's components at work, and the address of its UI."""

    stack: Stack
    address: str
    parts: dict[str, subprocess.Popen[bytes]]

    def check(self) -> None:
        """Raise Failed if a part of it has ended."""
        self.stack.check()
        for name, process in self.parts.items():
            if process.poll() is not None:
                log = shown(self.stack.logs / f"{name}.log")
                raise Failed(f"Airflow's {name} has ended by itself; the reason is in {log}")

    def watch(self) -> NoReturn:
        """Stay until the process is told to stop; raise Failed if a part of it has ended."""
        while True:
            self.check()
            time.sleep(1)


def start_ui(stack: Stack, environment: dict[str, str], port: int) -> Ui:
    """Start Airflow on 127.0.0.1 and return when it is healthy; it ends with the stack.

    :raises Failed: a part of it ended, or it is not healthy in time
    """
    address = f"http://127.0.0.1:{port}"
    settings = {
        **environment,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,  # tasks report to it; by default they would to port 8080
        "AIRFLOW__CORE__PARALLELISM": "4",
    }
    parts = {name: stack.airflow(name, *options, log=f"{name}.log", **settings) for name, *options in _COMPONENTS}
    ui = Ui(stack, address, parts)
    deadline = time.monotonic() + _START_SECONDS
    while not _healthy(address):
        ui.check()
        if time.monotonic() > deadline:
            raise Failed(f"Airflow is not healthy after {_START_SECONDS} s; its logs are in {shown(stack.logs)}")
        time.sleep(0.5)
    return ui


def _port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _USUAL_PORT))
        except OSError:
            return free_port()
    return _USUAL_PORT


def _healthy(address: str) -> bool:
    try:
        with _DIRECT.open(f"{address}/api/v2/monitor/health", timeout=5) as answer:
            parts = json.loads(answer.read())
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError):
        return False  # not yet
    return all(parts[name]["status"] == "healthy" for name in ("metadatabase", "scheduler", "dag_processor"))
