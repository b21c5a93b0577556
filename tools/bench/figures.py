"""The figures that a part reports, with their targets: as a table for people, and as JSON to compare runs."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ROUNDS = 5


@dataclass(frozen=True)
class Figure:
    """One measured number. `target` is its bound ("<= 1.15"), `note` what it was compared with."""

    part: str
    name: str
    value: float
    unit: str = ""
    target: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Return whether the target is met; None without a target."""
        if not self.target:
            return None
        sign, bound = self.target.split()
        return {"<=": self.value <= float(bound), ">=": self.value >= float(bound)}[sign]


def table(figures: Iterable[Figure]) -> str:
    """Return a table of the figures, one a line."""
    lines = []
    for figure in figures:
        verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
        value = f"{figure.value:,.3f}".rstrip("0").rstrip(".")
        measured = f"  {figure.part:<9}{figure.name:<72}{value:>12} {figure.unit:<12}"
        lines.append(f"{measured}{figure.target:<9}{verdict:<7}{figure.note}".rstrip())
    return "\n".join(lines)


def keep(figures: Iterable[Figure], file: Path) -> None:
    """Write the figures into `file`; those of other parts stay as they are."""
    fresh = [asdict(figure) for figure in figures]
    parts = {figure["part"] for figure in fresh}
    kept: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([each for each in kept if each["part"] not in parts] + fresh, indent=1) + "\n")


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds of wall time `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median_of(rounds: Iterable[float]) -> float:
    """Return the median, which one disturbed round does not move."""
    return statistics.median(rounds)
