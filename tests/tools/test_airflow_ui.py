"""The order in which Airflow's processes are started; they themselves are stood in for by one small HTTP server."""

from __future__ import annotations

import http.server
import json
import threading
from types import SimpleNamespace

import pytest

from tools.airflow_ui import start_ui
from tools.mongod import free_port
from tools.stack import Failed


class Health(http.server.BaseHTTPRequestHandler):
    """Airflow's health: a component is healthy once it was started, and the third request is the first answered."""

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.asked < 3:
            self.close_connection = True
            return
        states = {name: {"status": "healthy"} for name in ("metadatabase", "dag_processor")}
        states["scheduler"] = {"status": "healthy" if "scheduler" in self.server.started else None}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(states).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api():
    with http.server.HTTPServer(("127.0.0.1", free_port()), Health) as server:
        server.asked, server.started = 0, {}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Stack:
    """Takes note of what is started, and of how often the API server had been asked by then."""

    def __init__(self, api, tmp_path, exit_code=None):
        self.api, self.logs, self.exit_code, self.settings = api, tmp_path, exit_code, {}

    def airflow(self, name, *_options, log, **settings):
        assert log == f"{name}.log"
        self.api.started[name] = self.api.asked
        self.settings = settings
        return SimpleNamespace(poll=lambda: self.exit_code)

    def check(self) -> None:
        pass


def test_scheduler_is_started_when_the_api_server_answers(api, tmp_path):
    stack = Stack(api, tmp_path)
    ui = start_ui(stack, {}, api.server_port)
    assert api.started == {"api-server": 0, "dag-processor": 0, "triggerer": 0, "scheduler": 3}
    assert set(ui.parts) == set(api.started)
    assert len(stack.settings["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64, "PyJWT warns of a shorter key for HS512"


def test_component_that_ends_is_named(api, tmp_path):
    with pytest.raises(Failed, match=r"Airflow's api-server has ended by itself; the reason is in .*api-server\.log"):
        start_ui(Stack(api, tmp_path, exit_code=1), {}, api.server_port)
