"""Which notice supersedes which: chains found among real notices, and notices that must not supersede one another."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tender_sync.identity.lineage import keys_of, lineage
from tender_sync.identity.notice_facts import LINEAGE_FIELDS, notice_of
from tests.histories import DAY_ONE, KINDS, LEEDS, OTHER, contract

GUID = "8f124d5d-fa11-457c-a0ed-431674a867c1"
GUID_2 = "beb37fb4-925c-47ea-8f8a-ce406ef559c8"
CF_KINDS = [kind for kind in KINDS if kind.startswith("CF")]
FTS_KINDS = [kind for kind in KINDS if not kind.startswith("CF")]


def of(*notices):
    """Return `supersededBy` of notices given as (id, kind, day[, options of `contract`])."""
    return {notice_id: standing["supersededBy"] for notice_id, standing in standings(*notices).items()}


def standings(*notices):
    return lineage(
        contract(notice_id, kind, day, **(more[0] if more else {})) for notice_id, kind, day, *more in notices
    )


# Each case: the notices published, and which is superseded by which; all others are to be shown.
CHAINS = {
    "a whole procurement": (
        [
            ("a", "UK1", 0),
            ("b", "UK2", 1),
            ("c", "UK2 update", 2),
            ("d", "UK4", 3),
            ("e", "UK4 update", 4),
            ("f", "UK5", 5),
            ("g", "UK6", 6),
            ("h", "UK7", 7),
            ("i", "UK7 update", 8),
            ("j", "UK11", 9),
        ],
        {"a": "b", "b": "c", "c": "d", "d": "e", "e": "f", "f": "g", "g": "h", "h": "i", "i": "j"},
    ),
    "old rules: tender, its corrigendum, award": (
        [("a", "old planning", 0), ("b", "old tender", 1), ("c", "corrigendum", 2), ("d", "old award", 3)],
        {"a": "b", "b": "d", "c": "b"},
    ),
    "a corrigendum does not supersede the tender that it corrects": (
        [("a", "old tender", 0), ("b", "corrigendum", 1)],
        {"b": "a"},
    ),
    "a corrigendum of an award": (
        [("a", "old tender", 0), ("b", "old award", 1), ("c", "corrigendum", 2)],
        {"a": "b", "c": "b"},
    ),
    "a corrigendum whose tender is not stored": ([("a", "corrigendum", 0)], {}),
    "two corrigenda whose tender is not stored": ([("a", "corrigendum", 0), ("b", "corrigendum", 1)], {"a": "b"}),
    "a corrigendum, then the award": ([("a", "corrigendum", 0), ("b", "old award update", 1)], {"a": "b"}),
    "an update of an award under the old rules, whose ids begin with the notice's": (
        [("a", "old award", 0), ("b", "old award update", 1)],
        {"a": "b"},
    ),
    "an update that numbers the one award, which had no number": (
        [("a", "old award", 0), ("b", "old award update", 1, {"about": ["C7-1"]})],
        {"a": "b"},
    ),
    "two such updates": (
        [
            ("a", "old award", 0),
            ("b", "old award update", 1, {"about": ["C7-1"]}),
            ("c", "old award update", 2, {"about": ["C7-1"]}),
        ],
        {"a": "b", "b": "c"},
    ),
    "an update of another number, after several awards": (
        [("a", "old award", 0), ("b", "old award", 90), ("c", "old award update", 91, {"about": ["C7-1"]})],
        {},
    ),
    "an update of another number, after a notice of several awards": (
        [("a", "old award", 0, {"about": ["1", "2"]}), ("b", "old award update", 1, {"about": ["C7-1"]})],
        {},
    ),
    "an update of another number before the award": (
        [("a", "old award update", 0, {"about": ["C7-1"]}), ("b", "old award", 1)],
        {},
    ),
    "an update under the Act of another award": (
        [("a", "UK7", 0), ("b", "UK7 update", 1, {"about": ["2"]})],
        {},
    ),
    "awards of a dynamic purchasing system stand side by side": (
        [("a", "old award", 0), ("b", "old award", 90), ("c", "old award", 180)],
        {},
    ),
    "an update of one of several awards is of the last one": (
        [("a", "old award", 0), ("b", "old award", 90), ("c", "old award update", 91)],
        {"b": "c"},
    ),
    "a cancelled tender": ([("a", "UK2", 0), ("b", "UK4", 1), ("c", "UK12", 2)], {"a": "b", "b": "c"}),
    "a procurement cancelled while planned": ([("a", "UK2", 0), ("b", "UK12", 1)], {"a": "b"}),
    "a cancellation of one lot of two leaves the tender": (
        [("a", "UK4", 0, {"lots": ["1", "2"]}), ("b", "UK12", 1, {"tender": {"lots": [{"id": "2"}]}})],
        {},
    ),
    "the cancellation of its last lot ends it": (
        [
            ("a", "UK4", 0, {"lots": ["1", "2"]}),
            ("b", "UK12", 1, {"tender": {"lots": [{"id": "2"}]}}),
            ("c", "UK12", 2, {"tender": {"lots": [{"id": "1"}]}}),
        ],
        {"a": "c"},
    ),
    "a procurement begun again after its cancellation": (
        [("a", "UK4", 0), ("b", "UK12", 1), ("c", "UK4", 2)],
        {"a": "b", "b": "c"},
    ),
    "an award cancelled before it was signed": (
        [("a", "UK6", 0), ("b", "UK12", 1, {"awards": [{"id": "1"}], "contracts": [{"id": "1", "awardID": "1"}]})],
        {"a": "b"},
    ),
    "the cancellation of another award": (
        [("a", "UK7", 0, {"about": ["1"]}), ("b", "UK12", 1, {"awards": [{"id": "2"}]})],
        {},
    ),
    "the cancellation of the lots that were not awarded": (
        [("a", "UK6", 0), ("b", "UK12", 1, {"tender": {"lots": [{"id": "2"}]}})],
        {},
    ),
    "a cancellation that names nothing": ([("a", "UK6", 0), ("b", "UK12", 1)], {"a": "b"}),
    "lots awarded by notices of their own": (
        [("a", "UK4", 0), ("b", "UK6", 1, {"about": ["1"]}), ("c", "UK6", 2, {"about": ["2"]})],
        {"a": "b"},
    ),
    "a contract for one award of two leaves the award notice": (
        [("a", "UK6", 0, {"about": ["1", "2"]}), ("b", "UK7", 1, {"about": ["1"]})],
        {},
    ),
    "contracts for all awards end it, with the last": (
        [
            ("a", "UK6", 0, {"about": ["1", "2"]}),
            ("b", "UK7", 1, {"about": ["2"]}),
            ("c", "UK7", 2, {"about": ["1"]}),
        ],
        {"a": "c"},
    ),
    "contracts of one ocid for other awards": (
        [("a", "UK7", 0, {"about": ["1"]}), ("b", "UK7", 1, {"about": ["2"]})],
        {},
    ),
    "two contracts under one award; the end of the second": (
        [
            ("a", "UK7", 0, {"contracts": [{"id": "1", "awardID": "1"}]}),
            ("b", "UK7", 1, {"contracts": [{"id": "2", "awardID": "1"}]}),
            ("c", "UK11", 2, {"contracts": [{"id": "2", "awardID": "1"}]}),
        ],
        {"b": "c"},
    ),
    "two contract notices of one award, neither an update": ([("a", "UK7", 0), ("b", "UK7", 1)], {}),
    "an award notice published again after its contract": (
        [("a", "UK6", 0), ("b", "UK7", 1), ("c", "UK6 update", 2)],
        {"a": "b", "c": "b"},
    ),
    "a contract change does not supersede the contract": (
        [("a", "UK7", 0), ("b", "UK10", 1), ("c", "UK9", 2)],
        {"b": "a", "c": "a"},
    ),
    "a change of a contract that is not here": (
        [("a", "UK7", 0, {"about": ["1"]}), ("b", "UK10", 1, {"about": ["2"]})],
        {},
    ),
    "a changed contract that ends": ([("a", "UK7", 0), ("b", "UK10", 1), ("c", "UK11", 2)], {"a": "c", "b": "a"}),
    "an award without ids": (
        [("a", "UK6", 0, {"about": []}), ("b", "UK7", 1)],
        {"a": "b"},
    ),
    "a tender published after an award is open": ([("a", "UK6", 0), ("b", "UK4", 1)], {}),
    "a plan published again after its tender": ([("a", "UK4", 0), ("b", "UK2 update", 1)], {"b": "a"}),
    "a dynamic market": (
        [("a", "UK2", 0), ("b", "UK13", 1), ("c", "UK14", 2), ("d", "UK15", 3), ("e", "UK16", 4)],
        {"b": "c", "c": "e", "d": "c"},
    ),
    "a market and a tender under one ocid": ([("a", "UK14", 0), ("b", "UK4", 1)], {}),
    "an unrelated buyer under the same ocid": ([("a", "UK4", 0), ("b", "UK6", 1, {"buyer": OTHER})], {}),
    "a buyer known by its name, then by its id": (
        [
            ("a", "UK4", 0, {"buyer": ("GB-FTS-7833", "Leeds City Council")}),
            ("b", "UK4 update", 1, {"buyer": (LEEDS[0], "LEEDS CITY COUNCIL")}),
            ("c", "UK6", 2, {"buyer": (LEEDS[0], "Leeds")}),
        ],
        {"a": "b", "b": "c"},
    ),
    "a corrigendum dated before every notice that it may describe": (
        [("a", "corrigendum", 0), ("b", "old tender", 1), ("c", "old tender", 2)],
        {"a": "b", "b": "c"},
    ),
    "an update of an award, after the notice that ended its contract": (
        [("a", "UK11", 0), ("b", "old award update", 1)],
        {"b": "a"},
    ),
    "a notice without tags is a full one": ([("a", "UK4", 0), ("b", "UK4 update", 1, {"tag": []})], {"a": "b"}),
    "notices that name nobody": (
        [("a", "UK4", 0, {"buyer": ("", "")}), ("b", "UK6", 1, {"buyer": ("", "")})],
        {"a": "b"},
    ),
    "no ocid": ([("a", "UK4", 0, {"ocid": None}), ("b", "UK6", 1, {"ocid": None})], {}),
    "Contracts Finder: versions of a notice, whose suffix is in no order": (
        [(f"{GUID}-9", "CF tender", 0), (f"{GUID}-7", "CF amendment", 1), (f"{GUID}-8", "CF amendment", 2)],
        {f"{GUID}-9": f"{GUID}-7", f"{GUID}-7": f"{GUID}-8"},
    ),
    "Contracts Finder: versions under ocids that differ": (
        [(f"{GUID}-9", "CF tender", 0, {"ocid": "x"}), (f"{GUID}-7", "CF amendment", 1, {"ocid": "y"})],
        {f"{GUID}-9": f"{GUID}-7"},
    ),
    "Contracts Finder: two tenders of one ocid are two notices": (
        [(f"{GUID}-9", "CF tender", 0), (f"{GUID_2}-7", "CF tender", 1)],
        {},
    ),
    "Contracts Finder: an award ends the tender of its ocid": (
        [(f"{GUID}-9", "CF tender", 0), (f"{GUID_2}-7", "CF award", 1), (f"{GUID_2}-6", "CF award update", 2)],
        {f"{GUID}-9": f"{GUID_2}-6", f"{GUID_2}-7": f"{GUID_2}-6"},
    ),
    "Contracts Finder: a tender that became a plan again is past": (
        [(f"{GUID}-9", "CF tender", 0), (f"{GUID}-7", "CF planning", 1)],
        {f"{GUID}-9": f"{GUID}-7"},
    ),
    "Contracts Finder: awards of one ocid stand side by side": (
        [(f"{GUID}-9", "CF award", 0), (f"{GUID_2}-7", "CF award update", 1)],
        {},
    ),
}


@pytest.mark.parametrize(("notices", "superseded"), CHAINS.values(), ids=CHAINS)
def test_which_notice_supersedes_which(notices, superseded):
    assert {notice: successor for notice, successor in of(*notices).items() if successor} == superseded


def system_until(day):
    deadline = f"{DAY_ONE + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"
    techniques = {"hasDynamicPurchasingSystem": True}
    return {"tender": {"status": "active", "tenderPeriod": {"endDate": deadline}, "techniques": techniques}}


def test_dynamic_purchasing_system_takes_requests_after_an_award():
    award = ("b", "old award", 30)
    assert of(("a", "old tender", 0, system_until(900)), award)["a"] is None
    assert of(("a", "old tender", 0, system_until(30)), award)["a"] == "b"
    assert of(("a", "old tender", 0, system_until(20)), award)["a"] == "b"


def test_system_whose_deadline_moved_goes_on_beside_its_awards():
    """So `075767-2026`: the deadline of 2023 was an error, and contracts had been awarded since."""
    notices = [("a", "old tender", 0, system_until(20)), ("b", "old award", 30)]
    moved = ("c", "corrigendum", 31, {"deadline": 900})
    assert of(*notices, moved) == {"a": None, "b": None, "c": "a"}


# Each case: the notices published, and the day of each one's deadline; None: it has none.
DEADLINES = {
    "moved by a corrigendum": (
        [("a", "old tender", 0, {"deadline": 30}), ("b", "corrigendum", 1, {"deadline": 50})],
        {"a": 50, "b": 50},
    ),
    "moved twice: the last counts, and a corrigendum that states none moves nothing": (
        [
            ("a", "old tender", 0, {"deadline": 30}),
            ("b", "corrigendum", 1, {"deadline": 50}),
            ("c", "corrigendum", 2, {"deadline": 40}),
            ("d", "corrigendum", 3),
        ],
        {"a": 40, "b": 50, "c": 40, "d": None},
    ),
    "a full notice after the corrigendum states its own": (
        [
            ("a", "old tender", 0, {"deadline": 30}),
            ("b", "corrigendum", 1, {"deadline": 50}),
            ("c", "old tender", 2, {"deadline": 60}),
        ],
        {"a": 50, "b": 50, "c": 60},
    ),
    "of a tender that is not stored: the corrigendum shown has the deadline of an earlier one": (
        [("a", "corrigendum", 0, {"deadline": 50}), ("b", "corrigendum", 1)],
        {"a": 50, "b": 50},
    ),
    "an award has no deadline to move": (
        [("a", "old award", 0), ("b", "corrigendum", 1, {"deadline": 50})],
        {"a": None, "b": 50},
    ),
    "of another buyer": (
        [("a", "old tender", 0, {"deadline": 30}), ("b", "corrigendum", 1, {"deadline": 50, "buyer": OTHER})],
        {"a": 30, "b": 50},
    ),
    "an update of the Act is a notice of its own": (
        [("a", "UK4", 0, {"deadline": 30}), ("b", "UK4 update", 1, {"deadline": 50})],
        {"a": 30, "b": 50},
    ),
    "so is a new version on Contracts Finder": (
        [(f"{GUID}-9", "CF tender", 0, {"deadline": 30}), (f"{GUID}-7", "CF amendment", 1, {"deadline": 50})],
        {f"{GUID}-9": 30, f"{GUID}-7": 50},
    ),
}


@pytest.mark.parametrize(("notices", "deadlines"), DEADLINES.values(), ids=DEADLINES)
def test_deadlines(notices, deadlines):
    found = {notice: standing["deadlineDate"] for notice, standing in standings(*notices).items()}
    assert found == {
        notice: None if day is None else DAY_ONE + timedelta(days=day) for notice, day in deadlines.items()
    }


def cut_down(value, paths):
    """Do what a MongoDB projection does."""
    if isinstance(value, list):
        return [cut_down(each, paths) for each in value if isinstance(each, dict | list)]
    if not isinstance(value, dict):
        return None
    below = {}
    for head, *rest in paths:
        below.setdefault(head, []).append(rest)
    return {
        key: value[key] if [] in below[key] else cut_down(value[key], below[key])
        for key in below
        if key in value and ([] in below[key] or isinstance(value[key], dict | list))
    }


parts = [{"id": "1", "awardID": "2"}, "x", None]
odd = st.sampled_from(["", "x", 3, None, True, [], {}, [["1"]], {"1": {"id": "1"}}, parts, {"items": parts}])
numbers = st.sampled_from(["1", "2", "3"])
buyers = st.sampled_from([LEEDS, OTHER, ("GB-FTS-7", LEEDS[1]), (LEEDS[0], "Leeds"), ("", "")])


@st.composite
def histories(draw, kinds=FTS_KINDS):
    """Draw contracts of up to a dozen notices that share few ocids, buyers, days and awards; some are oddly shaped."""
    made = []
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(kinds))
        notice_id = (
            f"{draw(st.sampled_from([GUID, GUID_2]))}-{number}" if kind.startswith("CF") else f"{number:06d}-2026"
        )
        more = draw(st.dictionaries(st.sampled_from(["awards", "contracts", "tender", "tag"]), odd, max_size=1))
        parts = {name: draw(st.lists(numbers, max_size=3, unique=True)) for name in ("about", "lots")}
        ocid = draw(st.sampled_from(["ocds-h6vhtk-1", "ocds-h6vhtk-2"]))
        deadline = draw(st.none() | st.integers(3, 9))
        shape = {**parts, "ocid": ocid, "buyer": draw(buyers), "deadline": deadline, **more}
        made.append(contract(notice_id, kind, draw(st.integers(0, 5)), **shape))
    return made


@given(st.data())
def test_result_is_that_of_any_order_and_leads_to_a_notice_to_show(data):
    notices = data.draw(histories() | histories(CF_KINDS))
    found = lineage(notices)
    assert lineage(data.draw(st.permutations(notices))) == found
    for notice in found:
        seen = [notice]
        while (successor := found[seen[-1]]["supersededBy"]) is not None:
            assert successor not in seen, f"{seen} is a circle"
            seen.append(successor)
    for ocid in {notice["ocid"] for notice in notices}:
        families = {n["buyerOrg"] for n in notices if n["ocid"] == ocid}
        if len(families) == 1 and notices[0]["source"] == "FIND_A_TENDER":
            live = [
                n for n in notices if n["ocid"] == ocid and n["status"] == "OPEN" and found[n["noticeId"]]["isLatest"]
            ]
            assert len([n for n in live if n["noticeType"] != "UK13"]) <= 1, "the live list has a procurement twice"


@given(histories())
@example([contract("1", "old award", 0, contracts=parts), contract("2", "corrigendum", 1, tender={"items": parts})])
def test_projection_of_a_document_gives_the_same_facts_as_the_document(notices):
    paths = [tuple(name.split(".")) for name in LINEAGE_FIELDS]
    for notice in notices:
        assert vars(notice_of(cut_down(notice, paths))) == vars(notice_of(notice))


def test_keys_that_find_a_family():
    assert keys_of("FIND_A_TENDER", contract("1", "UK4", 0, ocid="o")) == {("ocid", "o")}
    finder = contract(f"{GUID}-9", "CF tender", 0, ocid=None)
    assert keys_of("CONTRACTS_FINDER", finder) == {("guid", f"{GUID}-")}


@pytest.mark.parametrize("kinds", [("UK6", "UK7", "UK10"), ("old award", "corrigendum"), ("UK2 update", "UK4 update")])
def test_thousands_of_notices_under_one_ocid_cost_little(kinds):
    """The processor time is the better of two runs; 1,500 notices take some 0.2 s."""
    notices = [
        contract(f"{day:06d}-2026", kinds[day % len(kinds)], day / 100, about=[str(day // len(kinds))])
        for day in range(1500)
    ]

    def seconds():
        began = time.process_time()
        lineage(notices)
        return time.process_time() - began

    assert min(seconds(), seconds()) < 2.0
