"""What the local OCDS server knows: publishing, changing, generating, loading, remembering."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tools.ocds_server import (
    CONTRACTS_FINDER,
    FIND_A_TENDER,
    SOURCES,
    Catalogue,
    OcdsApi,
    Publication,
    ServerClock,
    generate,
    load,
)
from tools.ocds_server.generate import more
from tools.ocds_server.jsontext import decode, encode
from tools.ocds_server.state import StateFile

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
START = datetime(2026, 6, 1, tzinfo=UTC)
GUID = "0a1b2c3d-0000-4000-8000-123456789012"


def empty() -> Catalogue:
    return Catalogue(clock=ServerClock(frozen_at=NOW))


def tender(name: str, date: str | None = None) -> dict:
    made = {"ocid": "ocds-x", "id": name, "tag": ["tender"], "tender": {"title": "Bridge"}}
    return made if date is None else {**made, "date": date}


def test_a_release_without_date_is_dated_now():
    catalogue = empty()
    assert catalogue.publish(FIND_A_TENDER, tender("1-2026"))["date"] == "2026-11-02T12:00:00Z"
    assert list(catalogue.existing(FIND_A_TENDER, NOW, NOW)) == ["1-2026"]


def test_a_backdated_release_is_the_newest_by_number_and_old_by_date():
    catalogue = empty()
    catalogue.publish(FIND_A_TENDER, tender("1-2026", "2026-11-02T11:00:00Z"))
    catalogue.publish(FIND_A_TENDER, tender("2-2026", "2026-10-01T11:00:00Z"))
    assert [entry.notice_id for entry in catalogue.listing(FIND_A_TENDER)] == ["2-2026", "1-2026"]
    october = catalogue.existing(FIND_A_TENDER, end=datetime(2026, 10, 31, tzinfo=UTC))
    assert list(october) == ["2-2026"]


def test_find_a_tender_change_is_a_new_notice_of_the_same_process():
    catalogue = empty()
    catalogue.publish(FIND_A_TENDER, tender("000001-2026", "2026-10-01T11:00:00Z"))
    changed = catalogue.change(FIND_A_TENDER, "000001-2026")
    assert changed["id"] != "000001-2026"
    assert (changed["ocid"], changed["tag"]) == ("ocds-x", ["tenderUpdate"])
    assert set(catalogue.existing(FIND_A_TENDER)) == {"000001-2026", changed["id"]}


def test_contracts_finder_change_keeps_the_guid_and_hides_the_earlier_release():
    catalogue = empty()
    old = f"{GUID}-832958"
    catalogue.publish(CONTRACTS_FINDER, tender(old, "2026-10-01T11:00:00Z"))
    changed = catalogue.change(CONTRACTS_FINDER, old)
    assert changed["id"].startswith(f"{GUID}-")
    assert changed["id"] != old
    assert changed["tag"] == ["tenderAmendment"]
    assert catalogue.existing(CONTRACTS_FINDER) == {changed["id"]: changed}
    catalogue.clock.set(NOW - timedelta(days=1))
    assert list(catalogue.existing(CONTRACTS_FINDER)) == [old]


@pytest.mark.parametrize("source", SOURCES)
def test_change_in_place_keeps_the_id_and_moves_the_date(source):
    catalogue = empty()
    name = f"{GUID}-832958" if source == CONTRACTS_FINDER else "000001-2026"
    catalogue.publish(source, tender(name, "2026-10-01T11:00:00Z"))
    changed = catalogue.change(source, name, in_place=True)
    assert (changed["id"], changed["date"]) == (name, "2026-11-02T12:00:00Z")
    assert changed["tender"]["title"] != "Bridge"
    assert [entry.release for entry in catalogue.listing(source)] == [changed]


def test_an_edit_decides_what_changes():
    catalogue = empty()
    catalogue.publish(FIND_A_TENDER, tender("000001-2026"))
    changed = catalogue.change(FIND_A_TENDER, "000001-2026", edit=lambda r: r.update(tag=["tenderCancellation"]))
    assert changed["tag"] == ["tenderCancellation"]
    with pytest.raises(KeyError):
        catalogue.change(FIND_A_TENDER, "000009-2026")


def test_existing_gives_the_latest_of_several_versions_of_an_id():
    rows = [
        Publication(FIND_A_TENDER, {**tender("1-2026"), "date": f"2026-11-02T0{hour}:00:00Z"}) for hour in (3, 1, 2)
    ]
    catalogue = Catalogue(rows, clock=ServerClock(frozen_at=NOW))
    assert catalogue.existing(FIND_A_TENDER)["1-2026"]["date"] == "2026-11-02T03:00:00Z"
    assert len(catalogue.listing(FIND_A_TENDER)) == 3


def test_generation_repeats_itself_and_depends_on_its_seed():
    first, again, other = ([*generate(s, START, START + timedelta(days=2), 30)] for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_generated_notices_follow_the_recorded_mix():
    catalogue = Catalogue(generate(3, START, START + timedelta(days=28), 100), clock=ServerClock(frozen_at=NOW))
    found = list(catalogue.existing(FIND_A_TENDER).values())
    assert 2_300 < len(found) < 3_300
    tags = Counter("+".join(release["tag"]) for release in found)
    assert 0.60 < tags["award+contract"] / len(found) < 0.70
    assert {"tender", "planning", "tenderUpdate", "tenderCancellation", "contractTermination"} <= set(tags)
    schemes = Counter(release["tender"]["legalBasis"]["scheme"] for release in found)
    assert 0.10 < schemes["CELEX"] / len(found) < 0.22
    kinds = {document["noticeType"] for release in found for document in _documents(release)}
    assert {"UK1", "UK2", "UK3", "UK4", "UK5", "UK6", "UK7", "UK10", "UK12"} <= kinds
    hours = Counter(int(release["date"][11:13]) for release in found)
    assert sum(hours[hour] for hour in range(8, 18)) > 0.85 * len(found)
    by_ocid = Counter(release["ocid"] for release in found)
    assert max(by_ocid.values()) > 1
    buyers = Counter(release["buyer"]["id"].rsplit("-", 1)[0] for release in found if "buyer" in release)
    assert any(scheme.startswith("GB-PPON") for scheme in buyers)
    assert buyers["GB-FTS"] > 0


def _documents(release):
    parts = [release.get("planning", {}), release["tender"], *release.get("awards", []), *release.get("contracts", [])]
    return [document for part in parts for document in part.get("documents", [])]


def test_generated_contracts_finder_notices_follow_the_recorded_mix():
    world = generate(3, START, START + timedelta(days=28), 100, sources=[CONTRACTS_FINDER])
    catalogue = Catalogue(world, clock=ServerClock(frozen_at=NOW))
    found = list(catalogue.existing(CONTRACTS_FINDER).values())
    tags = Counter(tag for release in found for tag in release["tag"])
    assert set(tags) == {"award", "awardUpdate", "tender", "tenderAmendment", "planning"}
    assert all((tag in ("award", "awardUpdate")) == ("awards" in r) for r in found for tag in r["tag"])
    guids = [release["id"][:36] for release in found]
    assert len(guids) == len(set(guids)), "the search shows only the latest release of a notice"


def test_running_numbers_are_nearly_in_date_order():
    world = generate(4, START, START + timedelta(days=28), 200, sources=[FIND_A_TENDER])
    dates = [entry.when for entry in Catalogue(world, clock=ServerClock(frozen_at=NOW)).listing(FIND_A_TENDER)]
    inversions = [newer - older for older, newer in pairwise(dates) if newer > older]
    assert 1 <= len(inversions) < 60
    assert max(inversions) < timedelta(minutes=1)


def test_dirty_notices_are_as_odd_as_asked_for():
    world = generate(6, START, START + timedelta(days=10), 200, dirty=0.5, sources=[FIND_A_TENDER])
    catalogue = Catalogue(world, clock=ServerClock(frozen_at=NOW))
    odd = catalogue.unnamed(FIND_A_TENDER)
    assert None in odd
    assert any(isinstance(one, dict) and "id" not in one for one in odd)
    bodies = b"".join(entry.body for entry in catalogue.listing(FIND_A_TENDER))
    for sign in (b'"amount":1e9999', str(2**70).encode(), b"0001-01-01", b"no\\u0000te", b"\\ud83d", b'"buyerID":[]'):
        assert sign in bodies, sign
    clean = Catalogue(generate(6, START, START + timedelta(days=10), 50), clock=ServerClock(frozen_at=NOW))
    assert clean.unnamed(FIND_A_TENDER) == clean.unnamed(CONTRACTS_FINDER) == []


def test_more_notices_are_new_ones():
    catalogue = Catalogue(generate(1, START, START + timedelta(days=3), 30), clock=ServerClock(frozen_at=NOW))
    for source in SOURCES:
        before = set(catalogue.existing(source))
        published = {catalogue.publish(source, release)["id"] for release in more(catalogue, source, 5)}
        assert set(catalogue.existing(source)) == before | published
        assert len(published) == 5
        assert not published & before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": math.inf}, b'{"a":1e9999}'),
        ({"a": -math.inf}, b'{"a":-1e9999}'),
        ({"Infinity": 'the "Infinity" pool'}, b'{"Infinity":"the \\"Infinity\\" pool"}'),
        (["Infinity", math.inf, "\\"], b'["Infinity",1e9999,"\\\\"]'),
        (["caf\u00e9", "\ud83d"], b'["caf\xc3\xa9","\\ud83d"]'),
    ],
)
def test_json_text_of_odd_values(value, text):
    assert encode(value) == text
    assert decode(text) == value


def test_load_finds_releases_in_every_wrapping(tmp_path):
    def fts(number, date):
        return {"ocid": "ocds-h6vhtk-1", "id": f"{number}-2026", "date": date}

    cf = {"ocid": "ocds-b5fd17-1", "id": f"{GUID}-1", "date": "2026-01-01T00:00:00Z"}
    below = tmp_path / "deep" / "er"
    below.mkdir(parents=True)
    (below / "bare.json").write_text(json.dumps(fts(1, "2026-01-01T00:00:00Z")))
    (tmp_path / "package.json").write_text(json.dumps({"releases": [fts(2, "2026-01-02T00:00:00Z"), cf, None]}))
    (tmp_path / "list.json").write_text(json.dumps([fts(1, "2026-03-01T00:00:00Z"), {"releases": [cf]}]))
    (tmp_path / "other.json").write_text('{"name": "package", "version": "1"}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "foreign.json").write_text('{"ocid": "ocds-zzzzzz-1", "id": "1"}')
    (tmp_path / "note.txt").write_text("no JSON")
    catalogue = Catalogue(load(tmp_path), clock=ServerClock(frozen_at=NOW))
    found = catalogue.existing(FIND_A_TENDER)
    assert {name: release["date"][:10] for name, release in found.items()} == {
        "1-2026": "2026-03-01",
        "2-2026": "2026-01-02",
    }
    assert catalogue.existing(CONTRACTS_FINDER) == {cf["id"]: cf}
    with pytest.raises(NotADirectoryError):
        list(load(tmp_path / "nowhere"))


def _recorded_days() -> list[Path]:
    """First pages of recorded walks, where the real notices are at hand (they are not part of the repository)."""
    beside = Path(__file__).parents[3] / "shared" / "notices"
    folder = Path(os.environ.get("TENDER_NOTICES_DIR") or beside)
    return sorted(folder.rglob("*_page-1.json"))


def _record_made_up_day(folder: Path) -> Path:
    """Write a walk as one would record it, from dates and pages written down here."""
    dated = [
        {"ocid": "ocds-h6vhtk-1", "id": f"{n:06d}-2026", "date": f"2026-08-10T09:{n:02d}:00+01:00"} for n in range(5)
    ]
    dated.reverse()
    query = "updatedFrom=2026-08-10T00:00:00&updatedTo=2026-08-11T00:00:00&limit=2"
    for number, start in enumerate((0, 2, 4), 1):
        page = {"uri": f"https://fts.test/api/1.0/ocdsReleasePackages?{query}", "releases": dated[start : start + 2]}
        (folder / f"2026-08-10_page-{number}.json").write_text(json.dumps(page))
    return folder / "2026-08-10_page-1.json"


@pytest.mark.parametrize("first_page", [None, *_recorded_days()], ids=lambda path: path.name if path else "made up")
def test_a_recorded_walk_comes_out_as_it_was_recorded(first_page, tmp_path):
    first_page = first_page or _record_made_up_day(tmp_path)
    pages = [json.loads(p.read_text()) for p in sorted(first_page.parent.glob(first_page.name[:10] + "_page-*"))]
    recorded = [release for page in pages for release in page["releases"]]
    api = OcdsApi(Catalogue(load(first_page.parent)))
    served = []
    link = pages[0]["uri"]
    while link:
        parts = urlsplit(link)
        page = api.answer(parts.path, parts.query, host=parts.netloc).json()
        served += page["releases"]
        link = page.get("links", {}).get("next")
    assert {release["id"]: release for release in served} == {release["id"]: release for release in recorded}
    assert len(served) == len(recorded)


def test_a_state_file_carries_the_world_on(tmp_path):
    def run(state):
        world = state.world()
        catalogue = Catalogue(generate(world["seed"], START, START + timedelta(days=1), 20), clock=clock)
        state.replay(catalogue)
        return catalogue

    clock = ServerClock(frozen_at=NOW)
    path = tmp_path / "new" / "state.jsonl"
    assert StateFile(path).world() is None
    StateFile(path).begin({"seed": 9})
    first = run(StateFile(path))
    added = first.publish(CONTRACTS_FINDER, tender(f"{GUID}-000001"))
    changed = first.change(CONTRACTS_FINDER, added["id"])
    replaced = first.change(FIND_A_TENDER, next(iter(first.existing(FIND_A_TENDER))), in_place=True)
    with path.open("a") as file:
        file.write('{"source": "FIND_A_TEN')  # the process was killed while it wrote
    second = run(StateFile(path))
    for source in SOURCES:
        assert second.existing(source) == first.existing(source)
    assert second.existing(CONTRACTS_FINDER)[changed["id"]] == changed
    assert second.existing(FIND_A_TENDER)[replaced["id"]] == replaced
    later = second.publish(FIND_A_TENDER, tender("later"))
    assert run(StateFile(path)).existing(FIND_A_TENDER)["later"] == later


def test_a_running_clock_can_be_moved():
    clock = ServerClock(timedelta(days=-365))
    assert abs(datetime.now(UTC) - timedelta(days=365) - clock.now()) < timedelta(seconds=5)
    clock.set(NOW)
    assert timedelta(0) <= clock.now() - NOW < timedelta(seconds=5)
    clock.advance(timedelta(hours=1))
    assert timedelta(hours=1) <= clock.now() - NOW < timedelta(hours=1, seconds=5)
