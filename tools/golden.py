"""Maps the golden notices again after a wanted change of the mapper; read the difference before you commit it.

    PYTHONPATH=plugins python -m tools.golden && git diff tests/golden

Each file of tests/golden is one kind of notice, invented in the exact shape of published ones: its `source`, the
`release`, and the `contract` made of it (without the copy of the release, its hash and the mapper's version).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tender_sync.mapping.contract import map_ocds_to_contract

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden"
_LEFT_OUT = {"rawData", "releaseHash", "mapperVersion"}


def contract_of(golden: dict[str, Any]) -> dict[str, Any]:
    """Map a golden notice's release; return the contract as JSON has it, with dates as `2026-08-10T08:28:31Z`."""
    contract = map_ocds_to_contract(golden["release"], golden["source"])
    fields = {name: value for name, value in contract.items() if name not in _LEFT_OUT}
    fit: dict[str, Any] = json.loads(json.dumps(fields, default=lambda date: date.isoformat().replace("+00:00", "Z")))
    return fit


def main() -> None:
    """Write the contract of every golden notice."""
    for path in sorted(FOLDER.glob("*.json")):
        golden = json.loads(path.read_text(encoding="utf-8"))
        golden["contract"] = contract_of(golden)
        path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
