"""Runs both DAGs at the same time by `airflow dags test`, and shows their progress as `syncJobs` has it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tools.options import shown
from tools.processes import end

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tender_sync.sources.base import Source
    from tools.stack import Stack

_POLL_SECONDS = 0.2
_PLAIN_SECONDS = 4.0
# How Airflow's log writes an error of ours.
_ERROR = re.compile(r"(?:AirflowFailException|AirflowException|AirflowSkipException)(?:\('|: )(.{20,})")


def run_dags(
    stack: Stack, sources: Iterable[Source], params: Mapping[str, Any], environment: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Run the DAGs of `sources` at the same time with `params`; when all have ended, return why some failed.

    `environment` holds more variables, by source. A run that fails is ended at once, without its retries.
    """
    began = datetime.now(UTC)
    display = _Display()
    watched = [_Watched(stack, source, params, environment.get(source.name, {})) for source in sources]
    try:
        while True:
            stack.check()
            states = [run.look(began) for run in watched]
            display.show([run.line(began) for run in watched])
            if not any(states):
                break
            time.sleep(_POLL_SECONDS)
    finally:
        display.close()
        end(*(run.process for run in watched))
    return [failure for run in watched if (failure := run.failure(began))]


class _Watched:
    """One `airflow dags test` process, and its progress in MongoDB."""

    def __init__(self, stack: Stack, source: Source, params: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self.source = source
        self._db = stack.db
        self._log = stack.logs / f"{source.dag_id}.log"
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        arguments = ("dags", "test", source.dag_id, "--conf", json.dumps(params))
        self.process = stack.airflow(*arguments, log=self._log.name, **environment)
        self.job: dict[str, Any] = {}
        self.record: dict[str, Any] = {}

    def look(self, began: datetime) -> bool:
        """Read its job and its record; return whether it still runs."""
        self.job = self._db["syncJobs"].find_one({"source": self.source.name}) or {}
        mine = {"source": self.source.name, "startedAt": {"$gte": began}}
        self.record = self._db["syncRuns"].find_one(mine, sort=[("startedAt", -1)]) or {}
        if self.record.get("outcome") == "failed":
            end(self.process)
        return self.process.poll() is None

    def failure(self, began: datetime) -> str | None:
        """Return why it failed; None if it did not."""
        self.look(began)
        if self.record.get("outcome") == "failed":
            return str(self.record["error"])
        if self.process.returncode or not self.record.get("outcome"):
            return f"{self.source.title}: {_last_error(self._log, self._log_start)} ({shown(self._log)})"
        return None

    def line(self, began: datetime) -> str:
        """Return its progress as a line for the terminal."""
        title, record = f"{self.source.title:<17}", self.record
        if not record:
            waited = (datetime.now(UTC) - began).total_seconds()
            return f"{title} Airflow is starting ({waited:.0f} s)"
        if outcome := record["outcome"]:
            return f"{title} {outcome}: {counted(record)}"
        fetched = self.job["lastRunFetched"]
        return f"{title} {self.job['status']:<11} {self._share():4.0%} {fetched:>7,} releases {self._window()}"

    def _share(self) -> float:
        start = datetime.fromisoformat(self.job["backfillStartDate"])
        reached = datetime.fromisoformat(self.job["lastSyncedDate"] or self.job["backfillStartDate"])
        return (reached - start) / (datetime.now(UTC) - start)

    def _window(self) -> str:
        window = self.job.get("window")
        return f"at {window['from']:%Y-%m-%d %H:%M}" if window else f"up to {self.job['lastSyncedDate'] or 'its start'}"


def counted(record: Mapping[str, Any]) -> str:
    """Return a run's counts in words."""
    fetched = record.get("fetched", 0)
    parts = [f"{record[name]:,} {word}" for name, word in _WORDS.items() if record.get(name)]
    seconds = (record["endedAt"] - record["startedAt"]).total_seconds()
    made_of = f" = {' + '.join(parts)}" if parts else ""
    requests = record.get("requests", 0)
    return f"{fetched:,} fetched{made_of}; {requests:,} request{'' if requests == 1 else 's'} in {seconds:.1f} s"


_WORDS = {
    "created": "new",
    "updated": "changed",
    "unchanged": "unchanged",
    "rejected": "rejected",
    "doubled": "doubled",
}


def _last_error(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        text = file.read().decode(errors="replace")
    errors = _ERROR.findall(text)
    return errors[-1].strip("')\" ") if errors else "`airflow dags test` failed; its log says why"


class _Display:
    """One line for each source: redrawn in place on a terminal, elsewhere written every few seconds if it changed."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._lines: list[str] = []
        self._up = ""
        self._written: dict[int, str] = {}
        self._next = 0.0

    def show(self, lines: list[str]) -> None:
        self._lines = [f"  {line}" for line in lines]
        if self._live:
            # A line that wraps takes two rows, and the next drawing would replace only one of them.
            self._draw(shutil.get_terminal_size().columns - 1)
        elif time.monotonic() >= self._next:
            self._write()
            self._next = time.monotonic() + _PLAIN_SECONDS

    def close(self) -> None:
        """Write the last lines in full: nothing is drawn over them."""
        if self._live:
            self._draw(None)
        else:
            self._write()

    def _draw(self, width: int | None) -> None:
        print(f"{self._up}\x1b[J" + "".join(f"{line[:width]}\n" for line in self._lines), end="", flush=True)
        self._up = f"\x1b[{len(self._lines)}F"

    def _write(self) -> None:
        for number, line in enumerate(self._lines):
            if self._written.get(number) != line:
                print(line, flush=True)
                self._written[number] = line
