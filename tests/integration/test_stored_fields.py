"""What stands in MongoDB is what docs/CONTRACTS.md says stands there."""

from __future__ import annotations

import re
from pathlib import Path

from tender_sync.mapping.contract import MappedContract
from tender_sync.sources import FIND_A_TENDER
from tests.integration.world import release
from tests.integration.writer import PUBLISHED, Writer

DOC = (Path(__file__).resolve().parents[2] / "docs" / "CONTRACTS.md").read_text(encoding="utf-8")


def listed(title):
    section = re.search(rf"^## {title}\n(.*?)^## ", DOC, re.MULTILINE | re.DOTALL)[1]
    return set(re.findall(r"^\| (\w+) \|", section, re.MULTILINE)) - {"field"}


def test_stored_documents_have_the_fields_of_the_page_and_no_other(world_db):
    Writer(world_db, FIND_A_TENDER).commit(release("1", date=PUBLISHED))

    assert set(world_db.contracts.find_one()) == {
        "_id",
        *MappedContract.__annotations__,
        *listed("Written by the store"),
    }
    assert set(world_db.buyers.find_one()) == {"_id", *listed("Buyer documents")}
