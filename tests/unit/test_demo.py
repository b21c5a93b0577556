"""What `make demo` draws while it runs."""

from __future__ import annotations

import io

from tools.dag_runs import _Display


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
