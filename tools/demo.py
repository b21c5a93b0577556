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
            f"the demo needs Linux, and this is {sys.platform}: the bundled mongod runs on nothing else. "
            "Use docker-compose.yaml, or a MongoDB of your own (README.md, Connections)",
            file=sys.stderr,
        )
        return 1
    # The check of the data uses the project's own mapper.
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"}
    return guard([sys.executable, "-m", "tools.tour", *sys.argv[1:]], environment)


if __name__ == "__main__":
    sys.exit(main())
