"""Items that share a key, directly or through others, are one group."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tender_sync.mapping.groups import connected_groups


@pytest.mark.parametrize(
    ("items", "groups"),
    [
        ([], []),
        (["a", "b"], [["a"], ["b"]]),
        (["ab", "c", "b"], [["ab", "b"], ["c"]]),
        # the last one connects what had nothing in common
        (["a", "x", "b", "ab"], [["a", "b", "ab"], ["x"]]),
        (["d", "c", "b", "a", "cb", "ad"], [["d", "a", "ad"], ["c", "b", "cb"]]),
        # without keys nothing connects them, not even being equal
        (["", "a", ""], [[""], ["a"], [""]]),
        (["aa", "a"], [["aa", "a"]]),
    ],
)
def test_items_that_share_a_letter(items, groups):
    assert connected_groups(items, keys_of=set) == groups


@given(st.lists(st.frozensets(st.integers(0, 8), max_size=3), max_size=12))
def test_groups_are_what_keys_connect(items):
    groups = connected_groups(enumerate(items), keys_of=lambda item: item[1])

    assert sorted(place for group in groups for place, _ in group) == list(range(len(items)))
    assert groups == sorted(sorted(group) for group in groups)
    keys = [frozenset().union(*(item for _, item in group)) for group in groups]
    assert sum(map(len, keys)) == len(frozenset().union(*keys))
    for group in groups:
        reached, left = set(group[0][1]), group[1:]
        while connected := [item for item in left if not reached.isdisjoint(item[1])]:
            reached.update(*(item for _, item in connected))
            left = [item for item in left if item not in connected]
        assert left == []


@pytest.mark.parametrize("order", [1, -1])
def test_long_chains_are_grouped_in_time(order):
    """Find a Tender has given one ocid to thousands of notices: a time that grows with their square is too long."""
    chain = list(range(50_000))[::order]
    before = process_time()
    assert len(connected_groups(chain, keys_of=lambda link: (link, link + 1))) == 1
    assert process_time() - before < 2
