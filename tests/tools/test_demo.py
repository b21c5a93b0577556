"""`make demo` and the tests on the machines of others: small, lacking something, or set up for other work."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tools.dag_runs import _Display
from tools.mongod import Mongod, free_port
from tools.options import ROOT, parse
from tools.stack import Failed, running_stack


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_redrawn_in_place_never_wraps_and_is_whole_at_the_end(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    line = "done: 3,119 fetched = 3,110 new + 1 changed; 36 requests in 6.2 s"
    display = _Display()
    display.show([line, "starting"])
    assert max(map(len, terminal.getvalue().removeprefix("\x1b[J").splitlines())) < 40
    display.close()
    assert line in terminal.getvalue()


def test_a_full_disk_is_told_before_anything_is_started(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.stack.shutil.disk_usage", lambda _folder: SimpleNamespace(free=3 * 2**20))
    with (
        pytest.raises(Failed, match="has 3 MB left; expected at least 400 MB"),
        running_stack(parse(["--data", str(tmp_path)])),
    ):
        pass


def test_what_a_mongod_without_a_log_said_is_told(tmp_path, monkeypatch):
    binary = tmp_path / "mongod"
    binary.write_text("#!/bin/sh\necho 'libcrypto.so.1.1: cannot open shared object file' >&2\nexit 127\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(SystemExit, match=r"ended while starting: libcrypto\.so\.1\.1: cannot open"):
        Mongod(tmp_path / "data", free_port()).start()


def test_the_tests_leave_alone_the_airflow_a_user_has_set():
    told = subprocess.run(
        [sys.executable, "-c", "import os, tests.conftest; print(sorted(os.environ))"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://theirs/airflow",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "AIRFLOW_HOME" in told
    assert "SQL_ALCHEMY_CONN" not in told
