"""The local OCDS server as a process of its own, driven through its control API."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
WORLD = ("--seed", "3", "--start", "2026-06-01", "--end", "2026-06-04", "--per-day", "20")


@contextlib.contextmanager
def running(*options):
    command = [sys.executable, "-m", "tools.ocds_server", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  (ourselves)
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def url_in(line):
    return next(word for word in line.split() if word.startswith("http://"))


def ask(url, method, target, body=None):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, target, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()


def call(url, method, path, body=None):
    status, text = ask(url, method, f"/_control/{path}", body)
    assert status == 200, text
    return json.loads(text)


def search(url, query=""):
    path = "/Published/Notices/OCDS/Search" if "published" in query else "/api/1.0/ocdsReleasePackages"
    status, text = ask(url, "GET", f"{path}?{query}")
    assert status == 200, text
    return [release["id"] for release in json.loads(text)["releases"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_at_once(tmp_path, number):
    ready = tmp_path / "ready"
    ready.write_text("an earlier run's address")
    with running(*WORLD, "--ready-file", str(ready)) as (process, line):
        url = url_in(line)
        counts = call(url, "GET", "status")["releases"]
        assert counts["FIND_A_TENDER"] > 20
        for source, count in counts.items():
            assert f"{count} {source}" in line
        assert ready.read_text() == f"{url}\n"
        call(url, "POST", "faults", {"name": "hang"})
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 2


def test_control_api(tmp_path):
    (tmp_path / "one.json").write_text(
        '{"releases": [{"ocid": "ocds-h6vhtk-1", "id": "900000-2026", "date": "2026-06-02T00:00:00Z"}]}'
    )
    with running(*WORLD, "--releases", str(tmp_path)) as (_, line):
        url = url_in(line)
        before = call(url, "GET", "existing?source=FIND_A_TENDER")
        assert before["900000-2026"] == "2026-06-02T00:00:00Z"
        in_window = call(url, "GET", "existing?source=FIND_A_TENDER&from=2026-06-02T00:00:00Z&to=2026-06-02T00:00:00Z")
        assert list(in_window) == ["900000-2026"]

        assert call(url, "POST", "clock", {"set": "2026-07-01T12:00:00+00:00"})["now"].startswith("2026-07-01T12:00")
        assert call(url, "POST", "clock", {"advance": 3600})["now"].startswith("2026-07-01T13:00")

        counted = call(url, "POST", "publish", {"source": "FIND_A_TENDER", "count": 3})["published"]
        release = {"id": "mine", "ocid": "ocds-h6vhtk-9"}
        call(url, "POST", "publish", {"source": "FIND_A_TENDER", "releases": [release]})
        changed = call(url, "POST", "change", {"source": "FIND_A_TENDER", "id": "mine"})["changed"]
        july = search(url, "updatedFrom=2026-07-01T00:00:00")
        assert sorted(july) == sorted([*counted, "mine", *changed])
        after = call(url, "GET", "existing?source=FIND_A_TENDER&full=1")
        assert set(after) == set(before) | set(july)
        assert after["mine"]["ocid"] == "ocds-h6vhtk-9"

        newest = next(iter(search(url, "publishedFrom=2026-06-01")))
        replaced = call(url, "POST", "change", {"source": "CONTRACTS_FINDER", "count": 1})["changed"]
        assert newest not in search(url, "publishedFrom=2026-06-01")
        assert search(url, "publishedFrom=2026-07-01T00:00:00Z") == replaced

        assert call(url, "POST", "faults", {"name": "http_500", "times": 1}) == {"added": "http_500"}
        assert ask(url, "GET", "/api/1.0/ocdsReleasePackages")[0] == 500
        assert call(url, "GET", "faults")[0]["hits"] == 1
        assert call(url, "DELETE", "faults") == {}
        assert call(url, "GET", "faults") == []
        assert [record["status"] for record in call(url, "GET", "requests")][-1] == 500


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "nothing", None, 404, "POST /_control/publish"),
        ("GET", "existing?source=TED", None, 400, "FIND_A_TENDER or CONTRACTS_FINDER, not 'TED'"),
        ("POST", "publish", {}, 400, "source"),
        ("POST", "faults", {"name": "unheard_of"}, 400, "cursor_cycle"),
        ("POST", "clock", {"set": "noon"}, 400, "noon"),
        ("POST", "change", {"source": "FIND_A_TENDER", "id": "unknown"}, 400, "unknown"),
    ],
)
def test_wrong_control_requests_say_why(method, path, body, status, words):
    with running(*WORLD) as (_, line):
        found, text = ask(url_in(line), method, f"/_control/{path}", body)
    assert found == status
    assert words in json.loads(text)["message"]


def test_a_second_run_serves_the_same_world_and_what_was_published(tmp_path):
    state = str(tmp_path / "state.jsonl")
    with running(*WORLD, "--state-file", state) as (_, line):
        added = call(url_in(line), "POST", "publish", {"source": "CONTRACTS_FINDER", "count": 2})["published"]
        first = call(url_in(line), "GET", "existing?source=CONTRACTS_FINDER&full=1")
    assert set(added) <= set(first)
    with running("--state-file", state) as (_, line):
        assert call(url_in(line), "GET", "existing?source=CONTRACTS_FINDER&full=1") == first
        more = call(url_in(line), "POST", "publish", {"source": "CONTRACTS_FINDER", "count": 2})["published"]
        assert not set(more) & set(first)


def test_another_world_in_the_same_state_file_is_refused(tmp_path):
    state = str(tmp_path / "state.jsonl")
    with running(*WORLD, "--state-file", state):
        pass
    command = [sys.executable, "-m", "tools.ocds_server", "--seed", "4", "--state-file", state]
    refused = subprocess.run(  # noqa: S603  (ourselves)
        command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert refused.returncode == 2
    assert "was begun with seed=3; met 4" in refused.stderr
