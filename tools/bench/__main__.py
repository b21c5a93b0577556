"""Run the parts of the benchmark suite that are named, or all: see `python -m tools.bench --help`."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys

from tools.bench.figures import keep, table
from tools.options import ROOT

# Each part's module, which has a function `measure`; in the order of docs/PERFORMANCE.md.
PARTS = {
    "requests": "walks",
    "pace": "pacing",
    "pipeline": "pipeline",
    "flat": "flat",
    "scale": "scale",
    "start": "start",
    "disk": "disk",
}
RESULTS = ROOT / ".local" / "bench.json"


def main() -> int:
    """Measure, print each part when it is ready, and keep all figures; the exit code is 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all of them)")
    chosen = parser.parse_args().parts or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    logging.disable(logging.WARNING)
    missed = 0
    for part in chosen:
        figures = list(importlib.import_module(f"tools.bench.{PARTS[part]}").measure())
        print(table(figures), flush=True)
        keep(figures, RESULTS)
        missed += sum(figure.met is False for figure in figures)
    print(f"written to {RESULTS}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
