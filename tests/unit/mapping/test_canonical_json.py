"""The canonical form of JSON, which release hashes are made of: changed, it would make every stored release differ."""

from __future__ import annotations

import hashlib

import pytest

from tender_sync.mapping.canonical_json import canonical_json, content_hash

CASES = [
    ({"b": 5.0, "a": [1.50, -0.0, None, True]}, '{"a":[1.5,0,null,true],"b":5}'),
    ({"a": {"c": "5.0", "b": [[2.0]]}}, '{"a":{"b":[[2]],"c":"5.0"}}'),
    ("£ 1", '"\\u00a3 1"'),
    ([{}, [], ""], '[{},[],""]'),
]


@pytest.mark.parametrize(("value", "written"), CASES)
def test_canonical_json(value, written):
    assert canonical_json(value) == written
    assert content_hash(value) == hashlib.sha256(written.encode()).hexdigest()
