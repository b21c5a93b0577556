"""CPV codes and sectors."""

from __future__ import annotations

import pytest

from tender_sync.mapping.cpv import CPV_SECTOR_MAP, cpv_codes, derive_sector_from_cpv
from tender_sync.mapping.release import Release

DIVISIONS = """
    03 09 14 15 16 18 19 22 24 30 31 32 33 34 35 37 38 39 41 42 43 44 45 48 50 51 55 60 63 64 65 66 70 71 72 73 75 76 77
    79 80 85 90 92 98
"""


def cpv(*codes, scheme="CPV"):
    return [{"scheme": scheme, "id": code} for code in codes]


def test_every_division_has_a_sector_of_its_own():
    assert sorted(CPV_SECTOR_MAP) == DIVISIONS.split()
    assert len(set(CPV_SECTOR_MAP.values())) == 45
    assert all(sector == sector.strip() != "" for sector in CPV_SECTOR_MAP.values())


@pytest.mark.parametrize(
    ("code", "sector"),
    [
        ("45000000", "Construction"),
        ("72261000-2", "IT Services"),
        (" 85100000 ", "Health & Social"),
        ("03", "Farming, Fishing & Forestry"),
        ("99999999", None),
        ("4", None),
        ("", None),
        (None, None),
        (45000000, None),
    ],
)
def test_sector_of_a_code(code, sector):
    assert derive_sector_from_cpv(code) == sector


PLACES = {
    "tender.classification": {"tender": {"classification": cpv("45000000")[0]}},
    "tender.additionalClassifications": {"tender": {"additionalClassifications": cpv("45000000")}},
    "tender.items.classification": {"tender": {"items": [{"classification": cpv("45000000")[0]}]}},
    "tender.items.additionalClassifications": {"tender": {"items": [{"additionalClassifications": cpv("45000000")}]}},
    "awards.items.additionalClassifications": {"awards": [{"items": [{"additionalClassifications": cpv("45000000")}]}]},
    "contracts.items.classification": {"contracts": [{"items": [{"classification": cpv("45000000")[0]}]}]},
    "contracts.items.additionalClassifications": {
        "contracts": [{"items": [{"additionalClassifications": cpv("45000000")}]}]
    },
    "an object where a list is expected": {
        "tender": {"items": {"1": {"additionalClassifications": cpv("45000000")[0]}}}
    },
}


@pytest.mark.parametrize("release", PLACES.values(), ids=PLACES)
def test_places_of_codes(release):
    assert cpv_codes(Release(release)) == ["45000000"]


def test_the_main_code_comes_first_and_none_twice():
    release = {
        "awards": [{"items": [{"additionalClassifications": cpv("71000000", "45000000")}]}],
        "tender": {
            "items": [{"additionalClassifications": cpv("72000000", "85000000")}],
            "additionalClassifications": cpv("72000000-5"),
            "classification": cpv("85000000")[0],
        },
    }
    assert cpv_codes(Release(release)) == ["85000000", "72000000", "71000000", "45000000"]


@pytest.mark.parametrize(
    ("code", "scheme", "found"),
    [
        ("45000000-7", "CPV", ["45000000"]),
        ("45000000 - 7", "cpv", ["45000000"]),
        (" 45000000 ", None, ["45000000"]),
        ("45000000-7 Construction work", "CPV", ["45000000"]),
        ("45000000 - Construction work", "CPV", ["45000000"]),
        ("45000000-abcd-4f2a", None, []),
        ("45000000-71", "CPV", []),
        (9323000, "CPV", ["09323000"]),
        ("9323000", "CPV", ["09323000"]),
        ("3100000-2", "CPV", ["03100000"]),
        ("4500000", "CPV", []),
        (45000000, "CPV", ["45000000"]),
        ("450000", "CPV", []),
        ("450000001", "CPV", []),
        ("٤٥٠٠٠٠٠٠", "CPV", []),  # digits, but not those of a CPV code
        ("99999999", "CPV", []),
        ("AA01-1", "CPV", []),
        ("directAward", None, []),
        ("45000000", "UNSPSC", []),
        (True, "CPV", []),
        (None, "CPV", []),
        (["45000000"], "CPV", []),
    ],
)
def test_forms_of_a_code(code, scheme, found):
    assert cpv_codes(Release({"tender": {"classification": {"id": code, "scheme": scheme}}})) == found


def test_what_the_buyer_does_is_not_what_is_bought():
    assert cpv_codes(Release({"parties": [{"details": {"classifications": cpv("75000000")}}]})) == []
