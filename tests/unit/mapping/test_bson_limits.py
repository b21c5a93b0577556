"""What BSON can hold."""

from __future__ import annotations

import json
import math

import bson
import pytest

from tender_sync.errors import RejectedRelease
from tender_sync.mapping.bson_limits import ENVELOPE_BYTES, MAX_BYTES, MAX_LEVELS, ensure_fits, storable
from tender_sync.storage.rejected import Rejection, kept, releases_of


def nested(levels, kind):
    value = 1
    for level in range(levels):
        value = [value] if kind == "lists" or (kind == "mixed" and level % 2) else {"a": value}
    return value


CASES = {
    "the greatest 64-bit number": (2**63 - 1, 2**63 - 1),
    "one more": (2**63, "9223372036854775808"),
    "the least 64-bit number": (-(2**63), -(2**63)),
    "one less": (-(2**63) - 1, "-9223372036854775809"),
    "a number Python will not write out": (10**5000, hex(10**5000)),
    "not a number": (math.nan, "NaN"),
    "infinity": (math.inf, "Infinity"),
    "minus infinity": (-math.inf, "-Infinity"),
    "half a surrogate pair": ("a\ud83d", "a\ufffd"),
    "the other half": ("\udc00b", "\ufffdb"),
    "a whole character beyond the first plane": ("😀", "😀"),
    "a NUL in a text": ("a\0b", "a\0b"),
    "a NUL in a key": ({"a\0b": 1}, {"a\ufffdb": 1}),
    "half a pair in a key": ({"\ud800": 1}, {"\ufffd": 1}),
    "keys with dots and dollars": ({"a.b": {"$set": {"$": [1]}}, "": 2}, {"a.b": {"$set": {"$": [1]}}, "": 2}),
    "true is no number": ([True, False, None, 0, 1.5], [True, False, None, 0, 1.5]),
}


@pytest.mark.parametrize(("given", "stored"), CASES.values(), ids=CASES)
def test_what_is_kept(given, stored):
    copy = storable({"deep": [given]})["deep"][0]

    assert copy == stored
    assert type(copy) is type(stored)
    assert bson.decode(bson.encode({"v": copy}))["v"] == stored
    json.dumps(copy, allow_nan=False)


def test_repaired_keys_cover_no_other_key_whatever_their_order():
    half_a_pair = "a" + chr(0xD800)
    given = {"a\0": 1, "a\ufffd": 2, half_a_pair: 3, "b": 4}
    backwards = dict(reversed(given.items()))

    copy = storable(given)

    assert copy == storable(backwards) == {"a\ufffd\ufffd": 1, "a\ufffd": 2, "a\ufffd\ufffd\ufffd": 3, "b": 4}
    assert list(copy.values()) == [1, 2, 3, 4]


def test_whole_numbers_that_mongodb_gave_back_are_kept_as_they_are():
    """Of a class of PyMongo's own, which a `range` would be searched for number by number, for years."""
    given = {"amount": 3_000_000_000, "least": -(2**63)}
    assert storable(bson.decode(bson.encode(given))) == given


def test_it_is_a_copy():
    given = {"a": [{"b": 1}]}
    copy = storable(given)
    copy["a"][0]["b"] = 2
    assert given == {"a": [{"b": 1}]}


@pytest.mark.parametrize("kind", ["objects", "lists", "mixed"])
def test_nesting_up_to_the_limit(kind):
    deepest = nested(MAX_LEVELS - 1, kind)  # the contract around it is the last level
    assert storable(deepest) == deepest
    with pytest.raises(RejectedRelease, match="nested more than 99 levels deep"):
        storable(nested(MAX_LEVELS, kind))


@pytest.mark.parametrize("kind", ["objects", "lists", "mixed"])
def test_hostile_nesting_is_refused_like_any_other(kind):
    with pytest.raises(RejectedRelease, match="nested"):
        storable(nested(100_000, kind))


def test_a_document_of_exactly_the_limit_fits_and_one_byte_more_does_not():
    empty = len(bson.encode({"rawData": ""}))
    storable("x" * (MAX_BYTES - empty))
    with pytest.raises(RejectedRelease, match=r"16,711,681 bytes.*16,711,680"):
        storable("x" * (MAX_BYTES - empty + 1))


def test_the_limit_leaves_room_below_that_of_mongodb():
    assert MAX_BYTES + ENVELOPE_BYTES == 16 * 1024 * 1024


def test_what_is_no_json_is_refused_by_name():
    with pytest.raises(RejectedRelease, match="JSON values only"):
        ensure_fits({"a": {1, 2}})


def test_rejected_release_that_bson_cannot_hold_is_read_back_to_be_tried_again():
    raw = {"id": "1", "text": "x" * MAX_BYTES}
    document = kept(Rejection(raw, "it is too large"))
    assert "raw" not in document
    assert releases_of(document) == [raw]
