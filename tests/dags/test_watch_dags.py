"""The DAGs that watch over the sources, run whole by `dag.test()`: what they fail on, once, and whom they tell."""

from __future__ import annotations

import json
import socketserver
import threading
from datetime import timedelta
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from tender_sync.orchestration.dags import freshness_dag
from tender_sync.windows import TimeRange
from tests.conftest import ROOT
from tests.integration.oracle import problems

if TYPE_CHECKING:
    from email.message import Message


@pytest.fixture
def run(metadata):  # noqa: ARG001 - a fixture cannot be marked to use one
    def run(dag_id: str, **conf: object) -> tuple[str, dict[str, str]]:
        ended = DagBag(ROOT / "dags" / f"{dag_id}.py").dags[dag_id].test(run_conf=conf or None)
        return str(ended.state), {each.task_id: str(each.state) for each in ended.get_task_instances()}

    return run


@pytest.fixture
def told(monkeypatch, tmp_path):
    """What the notifier has written so far."""
    file = tmp_path / "told.jsonl"
    monkeypatch.setenv("TENDER_SYNC_NOTIFICATIONS", str(file))
    return lambda: [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_stale_source_fails_its_check_once_and_notifies_once(run, told, world):
    world.run()
    check = f"check_{world.source.dag_id}"
    assert run("freshness")[1][check] == "success"
    world.pass_time(hours=5)
    state, tasks = run("freshness")
    assert (state, tasks[check]) == ("failed", "failed")
    assert set(tasks.values()) == {"failed", "skipped"}, "the other source never ran"
    (line,) = told()
    assert (line["dag"], line["task"]) == ("freshness", check)
    assert f"{world.source.title} is stale" in line["message"]
    assert "for 5.0 hours" in line["message"]
    for _ in range(2):
        world.pass_time(hours=1)
        assert run("freshness")[1][check] == "skipped"
    assert len(told()) == 1


def test_stale_source_is_told_by_e_mail_as_documented(metadata, world, mailbox, monkeypatch):  # noqa: ARG001 - as above
    connection = json.loads(documented("AIRFLOW_CONN_SMTP_DEFAULT=").split("=", 1)[1].strip("'"))
    connection |= {"host": "127.0.0.1", "port": mailbox.server_address[1], "login": None, "password": None}
    connection["extra"] |= {"disable_ssl": True, "disable_tls": True}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    world.run()
    error = {"$push": {"errorLog": "the API said <script>"}, "$set": {"status": "error"}}
    world.db.syncJobs.update_one({"source": world.source.name}, error)
    world.pass_time(hours=5)
    names: dict[str, Any] = {"freshness_dag": freshness_dag}
    exec(documented("from airflow.providers.smtp"), names)  # noqa: S102 - what a person would paste
    names["dag"].test()
    (mail,) = mailbox.received
    assert (mail["To"], mail["From"]) == ("oncall@example.org", "airflow@example.org")
    assert mail["Subject"] == f"check_{world.source.dag_id}"
    (part,) = mail.get_payload()
    text = part.get_payload(decode=True).decode()
    assert f"{world.source.title} is stale" in text
    assert "the API said &lt;script&gt;" in text


def documented(beginning: str) -> str:
    """Give the block of docs/OPERATIONS.md that begins so."""
    blocks = (ROOT / "docs" / "OPERATIONS.md").read_text().split("```")[1::2]
    (found,) = [block.partition("\n")[2] for block in blocks if block.partition("\n")[2].startswith(beginning)]
    return found.strip()


class Mailbox(socketserver.TCPServer):
    """An SMTP server that takes every mail and forgets none."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Delivery)
        self.received: list[Message] = []


class _Delivery(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.server.received.append(message_from_bytes(b"".join(iter(self.rfile.readline, b".\r\n"))))
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 yes\r\n")
            if command == b"QUIT":
                return


@pytest.fixture
def mailbox():
    with Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_audit_repairs_then_fails_and_notifies_and_is_green_when_repeated(run, told, world):
    world.run()
    lost = world.lose(TimeRange(world.start, world.start + timedelta(days=1)))
    task = f"audit_{world.source.dag_id}"
    state, tasks = run("completeness_audit", source=world.source.name)
    assert (state, tasks[task]) == ("failed", "failed")
    assert set(tasks.values()) == {"failed", "skipped"}
    assert problems(world) == []
    assert [f"{len(lost)} notices were missing" in line["message"] for line in told()] == [True]
    assert run("completeness_audit", source=world.source.name)[1][task] == "success"
    assert len(told()) == 1
