"""The demo's command line, shared by its guard and its worker."""

from __future__ import annotations

import argparse
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
# How the names of Airflow's and the sync's settings begin. What the user has set is for other work, and is not used.
SETTINGS = ("AIRFLOW", "BACKFILL_START_DATE", "SYNC_PACE_SECONDS", "TENDER_SYNC")


def shown(path: Path) -> str:
    """Return a path as the user would write it."""
    return os.path.relpath(path) if path.is_relative_to(ROOT) else str(path)


@dataclass(frozen=True)
class Options:
    """What to show (`demo`, `live` or `ui`), where its data are kept, and the size of a generated world.

    `budget` is the item budget of the first run of each source, so that one can be seen to end early.
    """

    show: str
    folder: Path
    releases: Path | None
    days: float
    per_day: float
    budget: int


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; a wrong one ends the process with a message and exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo",
        description="Both sources through real Airflow, real MongoDB and a local OCDS server, on this machine.",
    )
    add = parser.add_argument
    show = parser.add_mutually_exclusive_group()
    show.add_argument(
        "--live", action="store_const", dest="show", const="live", help="one bounded run against the real services"
    )
    show.add_argument("--ui", action="store_const", dest="show", const="ui", help="Airflow with its UI on the data")
    add("--releases", type=_folder, metavar="DIR", help="serve the real notices of this folder's *.json files instead")
    add("--data", type=Path, default=ROOT / ".local", metavar="DIR", help="where all state is kept (.local)")
    add("--days", type=float, default=45, help="length of the generated history (45)")
    add("--per-day", type=float, default=100, help="generated notices a day and source, on average (100)")
    add("--budget", type=int, help="releases after which each source's first run ends (1500; 100 of real notices)")
    given = parser.parse_args(arguments)
    if given.show == "live" and given.releases:
        parser.error("--live asks the real services: leave --releases out")
    name = "live" if given.show == "live" else f"releases-{_fingerprint(given.releases)}" if given.releases else "demo"
    return Options(
        show=given.show or "demo",
        folder=given.data.resolve() / name,
        releases=given.releases,
        days=given.days,
        per_day=given.per_day,
        budget=given.budget or (100 if given.releases else 1500),
    )


def _folder(text: str) -> Path:
    folder = Path(text).expanduser().resolve()
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder; expected one with *.json files")
    return folder


def _fingerprint(folder: Path) -> str:
    """Return a name for a folder and the state of its files: other notices get data of their own."""
    files = sorted(folder.rglob("*.json"))
    state = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((str(folder), state)).encode()).hexdigest()[:8]
