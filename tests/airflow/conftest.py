"""One Airflow for all these tests, with both sources at work, of which one is held where it can be looked at."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.served import served, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.served import Airflow

LONG, SHORT = "find_a_tender", "contracts_finder"
_GATE = {"_id": LONG.upper()}


@pytest.fixture(scope="session")
def statsd() -> Iterator[socket.socket]:
    """A StatsD server of the simplest kind: the socket at which Airflow's metrics arrive."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        yield receiver


@pytest.fixture(scope="session")
def airflow(statsd) -> Iterator[Airflow]:
    metrics = {"STATSD_ON": "True", "STATSD_PORT": str(statsd.getsockname()[1]), "METRICS_ALLOW_LIST": "tender_sync"}
    settings = {f"AIRFLOW__METRICS__{name}": value for name, value in metrics.items()}
    # A task that is marked or cleared is told so with its next heartbeat, by default every 5 s.
    settings |= {"AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1", "SYNC_PACE_SECONDS": "0.5"}
    with served(**settings) as airflow:
        close_gate(airflow)
        for dag_id in (LONG, SHORT):
            airflow.unpause(dag_id)
        yield airflow


@pytest.fixture(scope="session")
def synced(airflow) -> Airflow:
    """Contracts Finder, its backfill complete by the run that Airflow began by itself."""
    until(lambda: airflow.job(SHORT).get("backfillCompletedAt"), "the backfill of Contracts Finder")
    for run in airflow.runs(SHORT):
        assert airflow.ended(SHORT, run["dag_run_id"]) == "success"
    return airflow


def close_gate(airflow: Airflow) -> None:
    """Hold every run of Find a Tender before its next request, as if the API had said: not for twenty minutes."""
    held = {"heldUntil": datetime.now(UTC) + timedelta(minutes=20)}
    airflow.db.syncPace.update_one(_GATE, {"$set": held}, upsert=True)


def open_gate(airflow: Airflow) -> None:
    """Let later requests through; who waits already goes on waiting."""
    airflow.db.syncPace.delete_one(_GATE)


def wait_for_gate(airflow: Airflow) -> None:
    """Wait until a run waits at the gate."""
    soon = datetime.now(UTC) + timedelta(minutes=5)
    until(lambda: airflow.db.syncPace.find_one(_GATE | {"starts": {"$gt": soon}}), "a run at the gate")
