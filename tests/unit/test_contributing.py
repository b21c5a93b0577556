"""The examples of CONTRIBUTING.md work as they are written there."""

import importlib.util
import re
from dataclasses import fields
from datetime import UTC, datetime
from textwrap import dedent
from urllib.parse import parse_qs

import pytest

from tender_sync import sources
from tender_sync.identity.lineage import lineage
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.mapping.json_access import words
from tender_sync.mapping.release import Release
from tender_sync.orchestration.params import source_params
from tender_sync.windows import TimeRange, first_query
from tests.conftest import ROOT
from tests.invariants import assert_invariants

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = [dedent(block) for block in re.findall(r"^ *```python\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)]
MODULE, REGISTRATION, DAG_FILE, TEST_LINE, FUNCTION = BLOCKS
NAME = "EXAMPLE_TENDERS"
RELEASE = {
    "ocid": "ocds-example-1",
    "id": "N7/2",
    "date": "2026-08-10T09:00:00Z",
    "tag": ["tender"],
    "buyer": {"id": "XX-EXT-1", "name": "Anytown"},
    "parties": [{"id": "XX-EXT-1", "name": "Anytown", "roles": ["buyer"], "address": {"region": "North"}}],
    "tender": {"title": "Roofs", "status": "active", "value": {"amount": 5, "currency": "EUR"}},
}


def load(name, path, code):
    """Run a module's code from a file, as Python and Airflow do."""
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The source of the example, among the others as its line for `SOURCES` puts it."""
    module = load("tender_sync.sources.example_tenders", tmp_path / "example_tenders.py", MODULE)
    names = {**vars(sources), NAME: getattr(module, NAME)}
    exec(f"from __future__ import annotations\n{REGISTRATION}", names)  # noqa: S102 - the document's own line
    assert names["SOURCES"].keys() - sources.SOURCES.keys() == {NAME}
    monkeypatch.setattr(sources, NAME, names[NAME], raising=False)
    monkeypatch.setitem(sources.SOURCES, NAME, names["SOURCES"][NAME])
    return names[NAME]


def test_the_example_source_has_only_data(source):
    for record in (source, source.windows, source.publisher):
        assert not [each.name for each in fields(record) if callable(getattr(record, each.name))]


def test_the_example_source_is_asked_for_its_windows(source):
    start = datetime(2026, 7, 1, tzinfo=UTC)
    query = parse_qs(first_query(source.windows, TimeRange(start, start + source.windows.first_span)))
    assert query == {"modifiedFrom": ["2026-07-01T00:00:00"], "modifiedTo": ["2026-07-01T06:00:00"], "limit": ["100"]}


def test_the_example_dag_is_built(source, tmp_path):
    file = tmp_path / f"{source.dag_id}.py"
    dag = load("example_dag", file, DAG_FILE).dag
    assert dag.dag_id == file.stem, "a DAG file is called as its DAG"
    assert [task.task_id for task in dag.topological_sort()] == [
        "sync",
        "backfill_completed",
        "recount_buyers",
        "announce_transition",
    ]
    assert dag.params.keys() == source_params(source).keys()
    assert "2024-04-01" in dag.doc_md
    assert dag.doc_md[:20] in DAG_FILE, "the UI's documentation begins as the file's docstring does"


def test_a_release_of_the_example_source_becomes_a_contract(source):
    contract = map_ocds_to_contract(RELEASE, source.name)
    assert_invariants(contract)
    assert contract["source"] == NAME
    assert contract["sourceUrl"] == "https://tenders.example.com/view/N7"
    assert contract["buyerRegion"] == "North"
    assert (contract["valueMax"], contract["currency"], contract["valueBasis"]) == (5, "EUR", None)
    older = map_ocds_to_contract({**RELEASE, "id": "N7/1", "date": "2026-08-09T09:00:00Z"}, source.name)
    assert lineage([contract, older])["N7/1"]["supersededBy"] == "N7/2"


def test_the_example_line_of_a_test_is_right(source):
    given = ("0c5b1d5e-7a51-4a2f-9a70-3f1f4f9f2b11-654321", "8812", "012345-2026")
    shared = eval(f"{{{TEST_LINE}}}", {"given": given})  # noqa: S307 - the document's own line
    assert shared == {NAME: tuple(map(source.publisher.guid_of, given))}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [(["GPA", "EU"], True), ("gpa", True), (["EU"], False), ([], None), ([7, None], None), (None, None)],
)
def test_the_example_field_is_read(stated, expected):
    names = {"words": words, "Release": Release}
    exec(f"from __future__ import annotations\n{FUNCTION}", names)  # noqa: S102 - the document's own function
    assert names["is_covered_by_gpa"](Release({"tender": {"coveredBy": stated}})) is expected


def test_the_files_and_names_of_the_field_example_are_there():
    example = TEXT[TEXT.index("## Add a field") :]
    assert "MAPPER_VERSION" in (ROOT / "plugins/tender_sync/mapping/contract.py").read_text(encoding="utf-8")
    for path in ("mapping/scope.py", "mapping/contract.py"):
        assert path.rpartition("/")[2] in example
        assert (ROOT / "plugins/tender_sync" / path).is_file()
    for path in re.findall(r"\]\(([\w/.]+)\)|`(t(?:ests|ools)/[\w/.]+)`", example):
        assert (ROOT / "".join(path)).exists(), path
