"""The same invariants over notices really published, where a folder of them is at hand.

`TENDER_NOTICES_DIR` names the folder; without it, `shared/notices` beside the repository is looked for. It holds
release packages or single releases as JSON files under a folder `contracts_finder` or `find_a_tender`.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tender_sync.mapping.contract import map_ocds_to_contract
from tests.invariants import assert_invariants
from tools.coverage import FIELDS, leaves

REPOSITORY = Path(__file__).resolve().parents[3]
NOTICES = Path(os.environ.get("TENDER_NOTICES_DIR") or REPOSITORY.parent / "shared" / "notices")
FOLDERS = {"find_a_tender": "FIND_A_TENDER", "contracts_finder": "CONTRACTS_FINDER"}
FILES = [(path, source) for folder, source in FOLDERS.items() for path in sorted((NOTICES / folder).rglob("*.json"))]


def releases_of(path):
    package = json.loads(path.read_text(encoding="utf-8"))
    return package.get("releases", [package])


def test_a_folder_that_is_named_holds_notices():
    assert FILES or "TENDER_NOTICES_DIR" not in os.environ, f"no notices under {NOTICES}"


if FILES:  # defined only then: an empty parametrisation would be a skipped test

    @pytest.mark.parametrize(("path", "source"), FILES, ids=lambda value: getattr(value, "stem", value))
    def test_published_notices(path, source):
        for release in releases_of(path):
            contract = map_ocds_to_contract(release, source)
            assert_invariants(contract)
            assert_published(release, contract)

    def assert_nothing_left_out(release, contract):
        """Of what the mapper leaves empty, the notice holds nothing anywhere, by patterns looser than its rules."""
        empty = [field for field in FIELDS if contract[field] in (None, [])]
        if contract["source"] == "CONTRACTS_FINDER":
            # There are no bases there, and of several regions delivered to none is the buyer's.
            empty = [field for field in empty if field not in {"valueBasis", "buyerRegion"}]
        held = {field: leaf for field in empty for leaf in leaves(release) if re.search(FIELDS[field][1], leaf)}
        assert held == {}, contract["noticeId"]

    def assert_published(release, contract):
        known = contract["noticeId"]
        dumped = json.dumps(release)
        assert contract["title"], known
        assert contract["buyerName"] != "Unknown", known
        assert contract["buyerOrg"], known
        assert contract["publishedDate"], known
        assert json.dumps(contract["rawData"]) == dumped.replace(": Infinity", ': "Infinity"'), known
        assert_nothing_left_out(release, contract)
        assert (contract["noticeType"] is not None) == (contract["regime"] == "UKPGA"), known
        assert (contract["regime"] is None) == (contract["source"] == "CONTRACTS_FINDER"), known
        if contract["source"] == "FIND_A_TENDER":
            assert contract["buyerRegion"], known
        guid_or_id = known.rsplit("-", 1)[0] if contract["source"] == "CONTRACTS_FINDER" else known
        assert contract["sourceUrl"].endswith(f"/Notice/{guid_or_id}"), known
        if any("ancellation" in tag for tag in release["tag"]):
            assert contract["status"] == "CANCELLED", known
        elif not any(tag.startswith(("award", "contract")) for tag in release["tag"]):
            assert contract["status"] != "AWARDED", known
        elif contract["noticeType"] != "UK15":
            assert contract["stage"] == "AWARD", known
            assert contract["status"] != "OPEN", known
