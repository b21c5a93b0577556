"""`make demo`, `make live` and `make ui`: see `python -m tools.demo --help`."""

from __future__ import annotations

import os
import sys

from tools.options import ROOT, parse
from tools.processes import guard


def main() -> int:
    """Check the command line and run the tour; returns the exit code."""
    parse()
    if sys.platform != "linux":
        print(
            f"this needs Linux, and runs on {sys.platform}: the bundled mongod and the cleaning up are made for it. "
            "With a MongoDB of your own, docker-compose.yaml and README.md (Connections) lead on",
            file=sys.stderr,
        )
        return 1
    # The check of the data uses the project's own mapper.
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    return guard([sys.executable, "-m", "tools.tour", *sys.argv[1:]], environment)


if __name__ == "__main__":
    sys.exit(main())
