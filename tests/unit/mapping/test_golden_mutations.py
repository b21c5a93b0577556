"""Notices of every kind, and published ones where they are at hand, keep the promises with things wrong in them."""

from __future__ import annotations

import json

import bson
from hypothesis import given, settings
from hypothesis import strategies as st

from tender_sync.errors import RejectedRelease
from tender_sync.mapping.contract import map_ocds_to_contract
from tests.invariants import assert_invariants
from tests.unit.mapping.test_release import FILES, releases_of
from tools.golden import FOLDER

NOTICES = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
NOTICES += [{"source": source, "release": each} for path, source in FILES for each in releases_of(path)]
NUMBERS = [0, -1, 1e300, 10**30, float("inf"), float("nan"), True, False]
TEXTS = ["", " x ", "1e9999", "2026-01-01", "www.example.org", "cancelled", "active", "award", "UK14", "CELEX", "GBP"]
SHAPES = ["{}", "[]", "[null]", '["a", "b"]', '{"1": {"id": "1"}}', '{"amount": 5, "currency": "USD"}']
odd = st.none() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS) | st.sampled_from(SHAPES).map(json.loads)


def places(value):
    """Yield every container of a release with each of its keys or positions."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@st.composite
def spoiled(draw):
    """Draw a notice in which up to five values are left out, made odd, or stand where another should."""
    notice = NOTICES[draw(st.integers(0, len(NOTICES) - 1))]
    release = json.loads(json.dumps(notice["release"]))
    for _ in range(draw(st.integers(1, 5))):
        found = list(places(release))
        container, key = found[draw(st.integers(0, len(found) - 1))]
        other, its_key = found[draw(st.integers(0, len(found) - 1))]
        what = draw(st.sampled_from(["left out", "odd", "another"]))
        if what == "left out" and isinstance(container, dict):
            del container[key]
        else:
            container[key] = json.loads(json.dumps(other[its_key])) if what == "another" else draw(odd)
    return notice["source"], release


@settings(max_examples=300)
@given(spoiled())
def test_a_spoiled_notice_is_a_contract_or_is_rejected(notice):
    source, release = notice
    try:
        contract = map_ocds_to_contract(release, source)
    except RejectedRelease as rejected:
        assert str(rejected)  # noqa: PT017 - which of the two happens is the property
        return
    assert_invariants(contract)
    assert bson.encode(contract)
