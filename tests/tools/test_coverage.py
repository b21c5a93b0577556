"""The tool that says how much of the contracts' fields notices fill."""

from __future__ import annotations

import json

import pytest

from tender_sync.mapping.contract import MappedContract
from tools import coverage

# Always there, or told by another field's row.
UNCOUNTED = {"ocid", "noticeId", "source", "sourceUrl", "status", "stage", "lotCount", "rawData"}
UNCOUNTED |= {"releaseHash", "mapperVersion", "statedDeadlineDate"}
PARTY = {"id": "GB-PPON-1", "name": "Town", "roles": ["buyer"], "address": {"region": "UKX11"}}


def notice(number, **release):
    tender = {"title": "Lights", "legalBasis": {"scheme": "UKPGA"}, **release.pop("tender", {})}
    made = {"ocid": "ocds-h6vhtk-000001", "id": f"00000{number}-2026", "parties": [PARTY], "tender": tender}
    return {**made, **release}


@pytest.fixture
def folder(tmp_path):
    releases = [
        notice(1, tag=["tender"], tender={"value": {"amountGross": 12, "currency": "GBP"}}),
        notice(2, tag=["award"], awards=[{"value": {"amount": 5}}]),
        notice(3, tag=["tender"], odd={"enquiryPeriod": {"endDate": "2026-01-01"}}),
    ]
    (tmp_path / "page.json").write_text(json.dumps({"releases": releases}))
    return tmp_path


def test_every_field_is_counted():
    assert set(coverage.FIELDS) == set(MappedContract.__annotations__) - UNCOUNTED


def test_the_table_of_a_folder(folder, capsys):
    coverage.main([str(folder)])
    rows = dict(line.strip("| ").split(" | ", 1) for line in capsys.readouterr().out.splitlines() if " | " in line)

    assert rows["field"] == "Find a Tender, the Act (3)"
    assert rows["awarded shown AWARDED"] == "0 → 1 of 1"
    assert rows["title"] == "100.0% → 100.0%, 0.0%"
    assert rows["valueMax"] == "0.0% → 66.7%, 0.0%"
    # a value in a place that the mapper does not read counts as held
    assert rows["enquiryPeriodEnd"] == "0.0% → 0.0%, 33.3%"


def test_a_sample_shows_notice_and_contract(folder, capsys):
    coverage.main([str(folder), "--sample", "2"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]
    assert [line.get("id") or line["noticeId"] for line in lines[0::2]] == [line["noticeId"] for line in lines[1::2]]
    assert len(lines) == 4


def test_a_folder_that_is_none_ends_with_a_message(tmp_path, capsys):
    with pytest.raises(SystemExit):
        coverage.main([str(tmp_path / "nothing")])
    assert "is no folder of notices" in capsys.readouterr().err
