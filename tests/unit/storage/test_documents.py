"""Stored contracts as they are read: complete, and of the mapper's types."""

from __future__ import annotations

from datetime import UTC, datetime

from tender_sync.mapping.parties import UNKNOWN_BUYER
from tender_sync.storage.documents import read_contract, without_foreign_types

MOMENT = datetime(2026, 6, 5, tzinfo=UTC)


def test_first_versions_contract_gets_what_it_lacks():
    read = read_contract({"noticeId": "1", "score": 7})
    assert (read["noticeId"], read["score"]) == ("1", 7)
    assert (read["buyerName"], read["rawData"]) == (UNKNOWN_BUYER, {})
    assert read["ocid"] is read["buyerOrg"] is read["publishedDate"] is read["mapperVersion"] is None


def test_value_of_another_type_counts_as_missing():
    odd = {"publishedDate": "2026-06-05", "buyerName": 7, "rawData": [], "buyerId": [], "statedDeadlineDate": 1}
    read = read_contract({"noticeId": "1"} | odd)
    assert (read["publishedDate"], read["buyerName"], read["rawData"], read["buyerId"]) == (
        None,
        UNKNOWN_BUYER,
        {},
        None,
    )
    assert "statedDeadlineDate" not in read


def test_null_and_missing_stated_deadlines_differ():
    """Lineage takes the deadline of a contract that was stored before there was such a field."""
    assert read_contract({"statedDeadlineDate": None})["statedDeadlineDate"] is None
    assert "statedDeadlineDate" not in read_contract({"deadlineDate": MOMENT})


def test_unknown_fields_and_nulls_are_left():
    assert without_foreign_types({"title": None, "ocid": 7, "notes": [1]}) == {"title": None, "notes": [1]}
