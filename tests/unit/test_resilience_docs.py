"""The table of faults in docs/RESILIENCE.md is the one that is tested."""

from __future__ import annotations

from tests.conftest import ROOT
from tests.resilience.faults import table


def test_documented_faults_are_those_tested():
    documented = (ROOT / "docs/RESILIENCE.md").read_text(encoding="utf-8")
    assert table() in documented, f"put this table into docs/RESILIENCE.md:\n{table()}"
