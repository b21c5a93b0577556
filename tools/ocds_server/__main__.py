"""Run the server by itself: `python -m tools.ocds_server --help`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from . import Catalogue, OcdsServer, generate, load
from .state import StateFile

if TYPE_CHECKING:
    from collections.abc import Sequence

# The arguments of the generated world, with their defaults.
_DEFAULTS: dict[str, Any] = {"seed": 1, "start": None, "end": None, "per_day": 40.0, "dirty": 0.0, "releases": None}
_DEFAULT_SPAN = timedelta(days=14)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.ready_file:
        options.ready_file.unlink(missing_ok=True)  # it may hold an earlier run's address
    state = StateFile(options.state_file) if options.state_file else None
    world = _world(parser, options, state)
    catalogue = Catalogue(
        generate(
            world["seed"],
            datetime.fromisoformat(world["start"]),
            datetime.fromisoformat(world["end"]),
            world["per_day"],
            dirty=world["dirty"],
        ),
        load(Path(world["releases"])) if world["releases"] else (),
    )
    if state is not None:
        state.replay(catalogue)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with OcdsServer(
        catalogue,
        host=options.host,
        port=options.port,
        cf_zone=ZoneInfo(options.cf_clock),
        enforce_limits=options.enforce_limits,
    ) as server:
        counts = ", ".join(f"{count} {source}" for source, count in catalogue.counts().items())
        if options.ready_file:
            _announce(options.ready_file, server.url)
        print(f"OCDS server at {server.url} serves {counts} releases", flush=True)
        ended.wait()
    return 0


def _announce(ready_file: Path, url: str) -> None:
    """Write the ready file in one step, so that a reader never sees half an address."""
    partial = ready_file.with_name(f"{ready_file.name}.partial")
    partial.write_text(f"{url}\n")
    partial.replace(ready_file)


def _world(parser: argparse.ArgumentParser, options: argparse.Namespace, state: StateFile | None) -> dict[str, Any]:
    """Return the world's arguments: the state file's if it has any; those on the command line must agree with it."""
    given = {name: getattr(options, name) for name in _DEFAULTS if getattr(options, name) is not None}
    world = state.world() if state else None
    if world is not None:
        for name, value in given.items():
            if world[name] != value:
                parser.error(
                    f"{state.path if state else ''} was begun with {name}={world[name]}; met {value}: "
                    "leave the option out, or use another state file"
                )
        return world
    world = {**_DEFAULTS, **given}
    end = datetime.fromisoformat(world["end"]) if world["end"] else datetime.now(UTC)
    world["end"] = end.isoformat()
    world["start"] = world["start"] or (end - _DEFAULT_SPAN).isoformat()
    if state is not None:
        state.begin(world)
    return world


def _aware(text: str) -> str:
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.ocds_server", description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="port; 0 takes a free one")
    add("--ready-file", type=Path, help="write the address here once the server answers")
    add("--seed", type=int, help="the generated notices' seed (1)")
    add("--start", type=_aware, help="when generated notices begin, ISO 8601, in UTC without a zone (14 days ago)")
    add("--end", type=_aware, help="when they end (now)")
    add("--per-day", type=float, help="generated notices a day and source, on average (40)")
    add("--dirty", type=float, help="share of generated notices that are odd (0)")
    add("--releases", help="also serve the releases of this folder's *.json files")
    add("--enforce-limits", action="store_true", help="refuse requests above the services' rate limits")
    add("--cf-clock", default="UTC", help="time zone of times without a zone in requests to Contracts Finder (UTC)")
    add("--state-file", type=Path, help="keep the world and later publications here for the next run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
