"""Every kind of notice, made up in the exact shape of those published, beside the contract it becomes.

After a wanted change of the mapper `python -m tools.golden` writes the contracts anew.
"""

from __future__ import annotations

import json

import pytest

from tender_sync.mapping.contract import map_ocds_to_contract
from tests.invariants import assert_invariants
from tools.golden import FOLDER, contract_of

GOLDEN = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


@pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
def test_golden_notices(golden):
    assert contract_of(golden) == golden["contract"]
    assert_invariants(map_ocds_to_contract(golden["release"], golden["source"]))


def test_every_kind_is_there():
    contracts = [golden["contract"] for golden in GOLDEN.values()]
    kinds = {f"UK{number}" for number in (1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15)}
    assert {contract["noticeType"] for contract in contracts} == {*kinds, None}
    assert {contract["regime"] for contract in contracts} == {"UKPGA", "CELEX", None}
    assert {contract["status"] for contract in contracts} == {"OPEN", "CLOSED", "AWARDED", "CANCELLED"}
    mechanisms = {"standard", "framework", "dps", "call_off_framework", "call_off_dps", None}
    assert {contract["contractMechanism"] for contract in contracts} == mechanisms
