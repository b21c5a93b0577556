"""Defects that real answers contain, and answers that are no release package."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tender_sync.api.decoding import BrokenPackage, NotAPackage, decode_package


def releases(body: str | bytes) -> list:
    return decode_package(body.encode() if isinstance(body, str) else body)["releases"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("000", 0),
        (" 000", 0),
        ("-007", -7),
        ("010.50", 10.5),
        ("00.5", 0.5),
        ("1 000", 1000),
        ("12 000 000", 12_000_000),
        ("1e9999", math.inf),
        ("-1e9999", -math.inf),
    ],
)
def test_odd_numbers_are_read(written, read):
    assert releases(f'{{"releases": [{{"amount": {written}, "text": "costs 000, or 1 000"}}]}}') == [
        {"amount": read, "text": "costs 000, or 1 000"}
    ]


def test_only_numbers_are_repaired_and_never_texts():
    text = r"a \" 000, \\ 1 000"
    assert releases(f'{{"releases": ["{text}", 000]}}') == [json.loads(f'"{text}"'), 0]


def test_a_number_too_long_for_python_stays_as_its_digits():
    assert releases(f'{{"releases": [{{"n": {"9" * 5000}}}]}}') == [{"n": "9" * 5000}]


def test_bytes_that_are_not_utf8_spoil_only_themselves():
    body = '{"releases": ["café"]}'.encode()
    body = body.replace("é".encode(), b"\xe9", 1)
    mixed = body[:-2] + ', "naïve £5"]}'.encode()
    assert releases(mixed) == ["café", "naïve £5"]
    assert releases(b'{"releases": ["\xe2\x82 5"]}') == ["â‚ 5"], "two bytes of the three that make a euro sign"  # noqa: RUF001 - read so


def test_bytes_of_no_encoding_are_marked():
    assert releases(b'{"releases": ["\x81"]}') == ["�"]


def test_control_characters_and_a_byte_order_mark_are_no_obstacle():
    assert releases(b'\xef\xbb\xbf {"releases": ["a\x01b\n"]}') == ["a\x01b\n"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"[]",
        b'"text"',
        b'{"message": "no"}',
        b'{"releases": null}',
        b"{oops",
    ],
)
def test_something_else_is_not_a_package(body):
    with pytest.raises(NotAPackage):
        decode_package(body)


@pytest.mark.parametrize(
    "body",
    [b'{"releases": [{"id": "1"', b'{"releases": [{"id": }]}', b'{"releases": [' + b"[" * 200_000],
)
def test_a_damaged_package_is_told_from_something_else(body):
    with pytest.raises(BrokenPackage):
        decode_package(body)


@pytest.mark.parametrize("damage", ["0" * 200_000 + "x", '"' + r"\"" * 200_000, "1" + " 000" * 100_000 + "x"])
def test_a_damaged_package_is_looked_through_once(damage):
    """Looked through from every digit or quote again, each would take minutes."""
    with pytest.raises(BrokenPackage):
        decode_package(f'{{"releases": [{damage}'.encode())


def test_the_message_of_the_api_is_passed_on():
    with pytest.raises(NotAPackage, match="limit must be"):
        decode_package(b'{"message": "limit must be 1 to 100"}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(json_values, max_size=5))
def test_any_package_is_read_as_it_is(values):
    assert releases(json.dumps({"releases": values})) == values


@given(st.lists(json_values, max_size=3))
def test_the_repair_changes_nothing_else(values):
    body = json.dumps({"releases": [*values, "mark"]}).removesuffix('"mark"]}') + "007]}"
    assert releases(body) == [*values, 7]


@given(st.binary(max_size=300))
def test_any_bytes_give_a_package_or_a_named_reason(body):
    for candidate in (body, b'{"releases": [' + body + b"]}"):
        try:
            package = decode_package(candidate)
        except (NotAPackage, BrokenPackage):
            continue
        assert isinstance(package["releases"], list)
