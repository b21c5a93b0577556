"""docs/CONTRACTS.md says what the mapper does: its tables, paths and examples are held against the code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tender_sync.identity.buyer_keys import MappedBuyer
from tender_sync.mapping.contract import MappedContract, map_ocds_to_contract
from tender_sync.mapping.documents import MappedDocument
from tender_sync.mapping.lots import AwardCriterion, MappedLot
from tender_sync.mapping.parties import AwardedSupplier, BuyerContact

DOC = (Path(__file__).resolve().parents[3] / "docs" / "CONTRACTS.md").read_text(encoding="utf-8")

WORDS = {
    "str": "string",
    "float": "number",
    "int": "integer",
    "bool": "boolean",
    "datetime": "date",
    "None": "null",
    "OcdsRelease": "release",
    "BuyerContact": "contact",
    "list[str]": "list of strings",
    "list[MappedLot]": "list of lots",
    "list[MappedDocument]": "list of documents",
    "list[AwardedSupplier]": "list of suppliers",
    "list[AwardCriterion]": "list of criteria",
    "list[dict[str, Any]]": "list of objects",
    **dict.fromkeys(("Status", "Stage", "Basis", "Mechanism", "ContractType"), "string"),
}
# Where the parts of a contract stand in a release, and where they then stand in the contract.
PARTS = {
    "contact": (BuyerContact, "parties[buyer].contactPoint", lambda contract: contract["buyerContact"]),
    "supplier": (AwardedSupplier, "awards.suppliers", lambda contract: contract["awardedSuppliers"][0]),
    "document": (MappedDocument, "tender.documents", lambda contract: contract["documents"][0]),
    "lot": (MappedLot, "tender.lots", lambda contract: contract["lots"][0]),
    "criterion": (
        AwardCriterion,
        "tender.lots.awardCriteria.criteria",
        lambda contract: contract["lots"][0]["awardCriteria"][0],
    ),
}
SOURCES = {"Act": "FIND_A_TENDER", "old": "FIND_A_TENDER", "CF": "CONTRACTS_FINDER"}
LABELS = {"all": ("Act", "old", "CF"), "FTS": ("Act", "old"), "Act": ("Act",), "old": ("old",), "CF": ("CF",)}
SCHEMES = {"Act": "UKPGA", "old": "CELEX"}
LISTS = {
    *("parties", "items", "lots", "awards", "contracts", "documents", "suppliers", "deliveryAddresses", "criteria"),
    *("additionalClassifications", "amendments", "unstructuredChanges", "budgetBreakdown", "finance", "numbers"),
    *("additionalContactPoints", "submissionMethod", "proposedAmendments", "charges"),
}
OTHERS = {"services": "works", "UKPGA": "CELEX", "written": "electronicSubmission", "European Union": "Wales"}


@dataclass
class Row:
    part: str
    field: str
    type: str
    where: str
    example: str

    @property
    def collects(self):
        return "all of `" in self.where

    def paths(self):
        """Return the paths by kind of release, as the page lists them; those in sentences are no paths."""
        found = {}
        for label, listed in re.findall(r"\*\*(\w+)\*\* ([^*]*)", self.where):
            leading = re.match(r"(?:all of |as `valueMax`: )?((?:`[\w.\[\]]+`(?:, )?)*)", listed)[1]
            for kind in LABELS[label]:
                found[kind] = re.findall(r"`([^`]+)`", leading)
        return found

    def values(self):
        return [json.loads(value) for value in re.fullmatch(r"`(.*)` → `(.*)`", self.example).groups()]


def tables():
    """Yield every row of the tables that say where a field comes from, with the part of the contract it is of."""
    part, inside = "contract", False
    for line in DOC.splitlines():
        if heading := re.match(r"#+ (.*)", line):
            part = heading[1] if heading[1] in PARTS else "contract"
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if cells[0] == "field" or not line.startswith("|"):
            inside = cells[:3] == ["field", "type", "where, in order"]
        elif inside and line.startswith("| "):
            yield Row(part, *cells[:4])


ROWS = list(tables())
PROBED = [(row, kind) for row in ROWS if "→" in row.example for kind in row.paths()]

EXAMPLES = re.findall(r"^([^\n]*) \((\w+)\):\n\n```json\n([^`]*)```\n\n```json\n([^`]*)```", DOC, re.MULTILINE)


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DOC, re.MULTILINE | re.DOTALL)[1]


def plain_rows(title):
    """Return the fields and types of a table without paths."""
    return dict(re.findall(r"^\| (\w+) \| ([\w ]+) \|", section(title), re.MULTILINE)[1:])


def types_of(shape):
    said = {name: getattr(type_, "__forward_arg__", type_) for name, type_ in shape.__annotations__.items()}
    return {name: " or ".join(WORDS[word] for word in str(type_).split(" | ")) for name, type_ in said.items()}


def put(release, path, value):
    """Put a value at a path of the page; lists and the named roles and sections come into being on the way."""
    *above, last = re.findall(r"(\w+)(?:\[([\w.]+)\])?", path)
    place = release
    for key, named in above:
        beneath = place.setdefault(key, [{}] if key in LISTS else {})
        place = beneath[0] if key in LISTS else beneath
        if named:
            place.update({"roles": [named]} if key == "parties" else {"where": {"section": f"{named})"}})
    place[last[0]] = [value] if last[0] in LISTS else value


def other(value):
    """Return another value of the same kind, which a later path must not put through."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, dict):
        return {key: other(each) if key in {"amount", "name", "email", "id"} else each for key, each in value.items()}
    if isinstance(value, int | float):
        return value + 1
    if re.match(r"\d{4}-\d{2}-\d{2}", value):
        return f"2031{value[4:]}"
    return OTHERS.get(value) or re.sub(r"(\d)(?=\D*$)", lambda digit: str((int(digit[1]) + 1) % 10), value) + "x"


def mapped(row, kind, *placed):
    """Map a release of one kind with values at paths, and return what the row's field became, as JSON has it."""
    release = {"id": "012345-2026", "tag": ["tender"], "tender": {}}
    if kind in SCHEMES:
        put(release, "tender.legalBasis.scheme", SCHEMES[kind])
    _, prefix, found_in = PARTS.get(row.part, (MappedContract, "", dict))
    if row.part == "supplier":
        put(release, f"{prefix}.name", "Some Ltd")
    for path, value in placed:
        put(release, f"{prefix}.{path}" if prefix else path, value)
    return as_json(found_in(map_ocds_to_contract(release, SOURCES[kind]))[row.field])


def as_json(value):
    return json.loads(json.dumps(value, default=lambda date: date.isoformat().replace("+00:00", "Z")))


def test_every_field_is_there_and_no_other():
    for part, shape in {"contract": MappedContract, **{name: shape for name, (shape, *_) in PARTS.items()}}.items():
        listed = {row.field: row.type for row in ROWS if row.part == part and row.field in shape.__annotations__}
        assert listed == types_of(shape), part
    unknown = {row.field for row in ROWS if row.part == "contract"} - set(MappedContract.__annotations__)
    assert unknown == set()


def test_buyers_are_there_with_what_they_are_created_with():
    listed = plain_rows("Buyer documents")
    counted = {"contractCount": "integer", "createdAt": "date", "updatedAt": "date"}
    assert listed == {**types_of(MappedBuyer), **counted}


def test_a_fair_share_of_the_fields_is_probed():
    """The page's form is the test's input: should it change, the probes must not silently fall away."""
    assert len(PROBED) > 150
    assert all(row.paths()[kind] for row, kind in PROBED)
    assert len(EXAMPLES) == section("Worked examples").count("```json") / 2


@pytest.mark.parametrize(("row", "kind"), PROBED, ids=lambda value: getattr(value, "field", value))
def test_each_path_fills_its_field(row, kind):
    given, expected = row.values()
    for path in row.paths()[kind]:
        assert mapped(row, kind, (path, given)) == expected, path


@pytest.mark.parametrize(("row", "kind"), PROBED, ids=lambda value: getattr(value, "field", value))
def test_the_path_named_first_wins(row, kind):
    given, expected = row.values()
    paths = row.paths()[kind]
    for first, second in pairwise(paths):
        found = mapped(row, kind, (second, other(given)), (first, given))
        if row.collects:
            found = found[: len(expected)]
        assert found == expected, f"{first} before {second}"


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.part == "contract" and row.paths()], ids=lambda row: row.field
)
def test_what_is_not_listed_is_not_published(row):
    for kind in set(SOURCES) - set(row.paths()):
        assert mapped(row, kind) in (None, [], 0), kind


@pytest.mark.parametrize(("_title", "source", "release", "becomes"), EXAMPLES, ids=[title for title, *_ in EXAMPLES])
def test_the_worked_examples(_title, source, release, becomes):
    contract = map_ocds_to_contract(json.loads(release), source)
    expected = json.loads(becomes)
    assert {field: as_json(contract[field]) for field in expected} == expected
