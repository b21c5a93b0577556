"""What the web app may rely on, for every contract whatever the release."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from tender_sync.mapping.contract import MappedContract
from tender_sync.mapping.cpv import CPV_SECTOR_MAP
from tender_sync.mapping.release import DYNAMIC_MARKETS

MECHANISMS = {"standard", "dps", "framework", "call_off_dps", "call_off_framework", None}
FLAGS = ("suitableForSme", "suitableForVco", "canRenew", "hasEuFunding")
LOT_FLAGS = ("hasRenewal", "hasOptions")


def assert_invariants(contract):
    known = contract["noticeId"]
    assert set(contract) == set(MappedContract.__annotations__), known
    _assert_status(contract)
    _assert_worth(contract)
    _assert_codes(contract)
    _assert_lots(contract)
    assert all(contract[flag] in {True, False, None} for flag in FLAGS), known
    assert contract["canRenew"] or contract["renewalDescription"] is None, known
    names = [(supplier["name"], supplier["supplierId"]) for supplier in contract["awardedSuppliers"]]
    assert all(name for name, _ in names), known
    assert len(set(names)) == len(names), known
    contact = contract["buyerContact"]
    assert contact is None or any(contact.values()), known
    assert all(any(document.values()) for document in contract["documents"]), known
    _assert_address(contract["submissionPortalUrl"])
    for document in contract["documents"]:
        _assert_address(document["url"])
    assert contract["sourceUrl"].isascii(), known
    assert " " not in contract["sourceUrl"], known
    for value in _values({field: value for field, value in contract.items() if field != "rawData"}):
        if isinstance(value, str):
            assert value == value.strip() != "", known
        if isinstance(value, datetime):
            assert value.utcoffset() == timedelta(0), known
            assert value.microsecond % 1000 == 0, known
        if isinstance(value, float):
            assert math.isfinite(value), known


def _assert_status(contract):
    known = contract["noticeId"]
    assert contract["status"] in {"OPEN", "CLOSED", "AWARDED", "CANCELLED"}, known
    assert contract["stage"] in {"PLANNING", "TENDER", "AWARD"}, known
    assert contract["status"] != "AWARDED" or contract["stage"] == "AWARD", known
    awarded = (contract["awardDate"], contract["awardValue"], contract["awardedSuppliers"] or None)
    if contract["status"] == "OPEN":
        assert contract["stage"] != "AWARD", known
        assert awarded == (None, None, None) or contract["noticeType"] in DYNAMIC_MARKETS, known


def _assert_worth(contract):
    known = contract["noticeId"]
    low, high = contract["valueMin"], contract["valueMax"]
    assert all(isinstance(end, float) and 0 <= end < math.inf for end in (low, high) if end is not None), known
    assert low is None or high is None or low <= high, known
    assert high is None or low is not None, known
    assert low is not None or (contract["currency"], contract["valueBasis"]) == (None, None), known
    assert contract["awardValue"] is None or contract["awardValue"] >= 0, known
    assert contract["awardValue"] is None or low is not None, known


def _assert_codes(contract):
    known, codes = contract["noticeId"], contract["cpvCodes"]
    assert len(set(codes)) == len(codes), known
    assert all(len(code) == 8 and code.isascii() and code.isdigit() for code in codes), known
    assert contract["sector"] == (CPV_SECTOR_MAP[codes[0][:2]] if codes else None), known
    assert contract["contractMechanism"] in MECHANISMS, known
    assert contract["contractType"] in {"goods", "services", "works", None}, known
    assert len(set(contract["submissionMethod"])) == len(contract["submissionMethod"]), known


def _assert_lots(contract):
    known = contract["noticeId"]
    assert contract["lotCount"] == len(contract["lots"]), known
    limit = contract["maxLotsBidPerSupplier"]
    assert limit is None or (type(limit) is int and limit >= 1), known
    for lot in contract["lots"]:
        assert lot["value"] is None or lot["value"] >= 0, known
        assert lot["value"] is not None or lot["currency"] is None, known
        assert lot["contractPeriodDays"] is None or (type(lot["contractPeriodDays"]) is int), known
        assert all(lot[flag] in {True, False, None} for flag in LOT_FLAGS), known
        assert lot["hasRenewal"] or lot["renewalDescription"] is None, known
        assert lot["hasOptions"] or lot["optionsDescription"] is None, known
        assert all(criterion["weight"] is None or criterion["weight"] >= 0 for criterion in lot["awardCriteria"]), known


def _assert_address(address):
    if address is not None:
        parts = urlsplit(address)
        assert parts.scheme.lower() in {"http", "https"}, address
        assert "." in (parts.hostname or ""), address
        assert not any(character.isspace() for character in address), address


def _values(value: Any):
    if isinstance(value, dict):
        for element in value.values():
            yield from _values(element)
    elif isinstance(value, list):
        for element in value:
            yield from _values(element)
    else:
        yield value
