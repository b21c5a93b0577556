"""The local OCDS server answers as the two services are known to: no sockets here."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

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
)

FTS_PATH = "/api/1.0/ocdsReleasePackages"
CF_PATH = "/Published/Notices/OCDS/Search"
PATHS = {FIND_A_TENDER: FTS_PATH, CONTRACTS_FINDER: CF_PATH}
PARAMETERS = {
    FIND_A_TENDER: ("updatedFrom", "updatedTo"),
    CONTRACTS_FINDER: ("publishedFrom", "publishedTo"),
}
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
GUID = "0a1b2c3d-0000-4000-8000-{:012d}"


def release(source: str, number: int, date: str | None, **fields):
    name = f"{number:06d}-2026" if source == FIND_A_TENDER else f"{GUID.format(number)}-{100_000 + number}"
    prefix = "ocds-h6vhtk" if source == FIND_A_TENDER else "ocds-b5fd17"
    made = {"ocid": f"{prefix}-{number:06x}", "id": name, "tag": ["tender"], "tender": {"title": "T"}, **fields}
    return made if date is None else {**made, "date": date}


def api_with(source: str, dates: list[str], *, now: datetime = NOW, **options) -> OcdsApi:
    rows = [Publication(source, release(source, n, date)) for n, date in enumerate(dates, 1)]
    return OcdsApi(Catalogue(rows, clock=ServerClock(frozen_at=now)), **options)


def every_second(count: int) -> list[str]:
    start = datetime(2026, 11, 2, 9, tzinfo=UTC)
    return [(start + timedelta(seconds=n)).isoformat() for n in range(count)]


def window(source: str, start: str, end: str, **more: object) -> str:
    names = PARAMETERS[source]
    return "&".join(f"{k}={v}" for k, v in {names[0]: start, names[1]: end, **more}.items())


def ids(answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [found["id"] for found in answer.json()["releases"]]


def walk(api: OcdsApi, source: str, query: str) -> list[list[str]]:
    pages = []
    link = f"http://api.test{PATHS[source]}?{query}"
    while link is not None:
        parts = urlsplit(link)
        answer = api.answer(parts.path, parts.query, host="api.test")
        pages.append(ids(answer))
        link = answer.json().get("links", {}).get("next")
    return pages


DAY = ("2026-11-02T00:00:00", "2026-11-03T00:00:00")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("lengths", [[0], [1], [100], [100, 1], [100, 100, 50]])
def test_pages_hold_all_releases_newest_first(source, lengths):
    count = sum(lengths)
    api = api_with(source, every_second(count))
    pages = walk(api, source, window(source, *DAY, limit=100))
    assert [len(page) for page in pages] == lengths
    expected = [release(source, n, None)["id"] for n in range(count, 0, -1)]
    assert [name for page in pages for name in page] == expected


@pytest.mark.parametrize("source", SOURCES)
def test_envelope_has_the_recorded_members_in_their_order(source):
    full = api_with(source, every_second(3)).answer(PATHS[source], window(source, *DAY, limit=2)).json()
    members = ["uri", "version", "extensions", "publishedDate", "publisher", "license", "publicationPolicy"]
    assert list(full) == [*members, "releases", "links"]
    assert full["publishedDate"] == "2026-11-02T09:00:02+00:00"
    empty = api_with(source, []).answer(PATHS[source], window(source, *DAY)).json()
    assert list(empty) == [*members, "releases"]
    assert (empty["publishedDate"], empty["releases"], empty["version"]) == ("", [], "1.1")


def test_find_a_tender_link_is_written_as_recorded():
    api = api_with(FIND_A_TENDER, every_second(3))
    answer = api.answer(FTS_PATH, window(FIND_A_TENDER, *DAY, limit=2), host="fts.test:81").json()
    cursor = base64.b64encode(f"updatedFrom={DAY[0]}|updatedTo={DAY[1]}|nextCursor=2".encode()).decode()
    query = f"updatedFrom={DAY[0]}&updatedTo={DAY[1]}&limit=2"
    assert answer["uri"] == f"http://fts.test:81{FTS_PATH}?{query}"
    assert answer["links"] == {"next": f"http://fts.test:81{FTS_PATH}?{query}&cursor={cursor}"}


def test_contracts_finder_link_is_written_as_recorded():
    api = api_with(CONTRACTS_FINDER, every_second(3))
    answer = api.answer(CF_PATH, window(CONTRACTS_FINDER, *DAY, limit=2), host="cf.test").json()
    plain = f"publishedFrom={DAY[0]}|publishedTo={DAY[1]}|limit=2|nextCursor=2"
    cursor = base64.b64encode(plain.encode()).decode()
    query = f"publishedFrom={DAY[0]}&publishedTo={DAY[1]}&limit=2"
    assert answer["links"] == {"next": f"http://cf.test{CF_PATH}?{query}&cursor={cursor}"}


@pytest.mark.parametrize(
    ("source", "query", "words"),
    [
        (FIND_A_TENDER, "page=2", ["page", "stages, limit, cursor, updatedFrom, updatedTo"]),
        (CONTRACTS_FINDER, "page=2", ["page", "publishedFrom, publishedTo, stages, limit, cursor"]),
        (FIND_A_TENDER, "limit=101", ["limit", "101"]),
        (FIND_A_TENDER, "limit=0", ["limit"]),
        (FIND_A_TENDER, "limit=ten", ["limit", "ten"]),
        (CONTRACTS_FINDER, "limit=101", ["limit", "101"]),
        (FIND_A_TENDER, "updatedFrom=2026-11-02", ["updatedFrom"]),
        (FIND_A_TENDER, "updatedFrom=2026-11-02T10:00", ["updatedFrom"]),
        (FIND_A_TENDER, "updatedTo=2026-11-02T10:00:00.000", ["updatedTo"]),
        (FIND_A_TENDER, "updatedTo=2026-11-02T10:00:00%2B00:00", ["updatedTo"]),
        (FIND_A_TENDER, "updatedTo=2026-13-02T10:00:00", ["updatedTo"]),
        (CONTRACTS_FINDER, "publishedFrom=yesterday", ["publishedFrom"]),
        (CONTRACTS_FINDER, "stages=tender,sale", ["stages", "sale"]),
        (FIND_A_TENDER, "cursor=nonsense", ["cursor"]),
        (CONTRACTS_FINDER, "cursor=nonsense", ["cursor"]),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(source, query, words):
    answer = api_with(source, []).answer(PATHS[source], query)
    assert answer.status == 400
    assert [word for word in words if word not in answer.json()["message"]] == []


@pytest.mark.parametrize("source", SOURCES)
def test_a_cursor_of_another_window_is_refused(source):
    api = api_with(source, every_second(3))
    link = api.answer(PATHS[source], window(source, *DAY, limit=1)).json()["links"]["next"]
    other = urlsplit(link).query.replace("From=2026-11-02", "From=2026-11-01", 1)
    assert api.answer(PATHS[source], other).status == 400
    assert api.answer(PATHS[source], urlsplit(link).query).status == 200


def test_find_a_tender_reads_london_time_and_ignores_z():
    noon_in_london = ["2026-07-01T12:00:00+01:00"]
    api = api_with(FIND_A_TENDER, noon_in_london)
    for zone in ("", "Z"):
        around = window(FIND_A_TENDER, f"2026-07-01T11:59:59{zone}", f"2026-07-01T12:00:01{zone}")
        assert len(ids(api.answer(FTS_PATH, around))) == 1
        in_utc = window(FIND_A_TENDER, f"2026-07-01T10:30:00{zone}", f"2026-07-01T11:30:00{zone}")
        assert ids(api.answer(FTS_PATH, in_utc)) == []


def test_the_hour_that_comes_twice_is_read_as_its_first_occurrence():
    first, second = "2026-10-25T01:30:00+01:00", "2026-10-25T01:30:00+00:00"
    api = api_with(FIND_A_TENDER, [first, second])
    found = api.answer(FTS_PATH, window(FIND_A_TENDER, "2026-10-25T01:30:00", "2026-10-25T01:30:00"))
    assert ids(found) == ["000001-2026"]


@pytest.mark.parametrize(("zone", "found"), [("UTC", 0), ("Europe/London", 1)])
def test_contracts_finder_reads_times_without_zone_in_the_zone_given(zone, found):
    api = api_with(CONTRACTS_FINDER, ["2026-07-01T12:00:00+01:00"], cf_zone=ZoneInfo(zone))
    query = window(CONTRACTS_FINDER, "2026-07-01T12:00:00", "2026-07-01T12:30:00")
    assert len(ids(api.answer(CF_PATH, query))) == found
    with_zone = window(CONTRACTS_FINDER, "2026-07-01T11:00:00Z", "2026-07-01T11:00:00%2B00:00")
    assert len(ids(api.answer(CF_PATH, with_zone))) == 1


@pytest.mark.parametrize("source", SOURCES)
def test_both_ends_of_a_window_belong_to_it(source):
    api = api_with(source, every_second(5))
    query = window(source, "2026-11-02T09:00:01", "2026-11-02T09:00:03")
    assert len(ids(api.answer(PATHS[source], query))) == 3


@pytest.mark.parametrize("source", SOURCES)
def test_a_release_appears_when_the_clock_reaches_it(source):
    api = api_with(source, ["2026-11-02T12:00:01+00:00"])
    assert ids(api.answer(PATHS[source])) == []
    api.clock.advance(timedelta(seconds=1))
    assert len(ids(api.answer(PATHS[source]))) == 1


def test_stages_hide_what_they_are_known_to_hide():
    rows = [
        release(FIND_A_TENDER, n, "2026-11-02T09:00:00Z", tag=tag, tender={"legalBasis": {"scheme": scheme}})
        for n, (scheme, tag) in enumerate(
            [("UKPGA", ["tender"]), ("CELEX", ["tender"]), ("CELEX", ["tenderUpdate"]), ("CELEX", ["planning"])], 1
        )
    ]
    publications = [Publication(FIND_A_TENDER, row) for row in rows]
    api = OcdsApi(Catalogue(publications, clock=ServerClock(frozen_at=NOW)))
    assert ids(api.answer(FTS_PATH, "stages=tender")) == ["000002-2026"]
    assert ids(api.answer(FTS_PATH, "stages=tender,planning")) == []
    assert len(ids(api.answer(FTS_PATH))) == 4


def test_contracts_finder_stages_choose_by_tag():
    tags = [["planning"], ["tender"], ["tenderAmendment"], ["award"]]
    rows = [release(CONTRACTS_FINDER, n, "2026-11-02T09:00:00Z", tag=tag) for n, tag in enumerate(tags)]
    api = OcdsApi(Catalogue([Publication(CONTRACTS_FINDER, row) for row in rows], clock=ServerClock(frozen_at=NOW)))
    found = api.answer(CF_PATH, "stages=tender,planning").json()["releases"]
    assert sorted(one["tag"][0] for one in found) == ["planning", "tender", "tenderAmendment"]


def test_single_notices_and_records():
    api = api_with(FIND_A_TENDER, every_second(2))
    assert ids(api.answer(f"{FTS_PATH}/000001-2026")) == ["000001-2026"]
    assert ids(api.answer(f"{FTS_PATH}/ocds-h6vhtk-000002")) == ["000002-2026"]
    record = api.answer("/api/1.0/ocdsRecordPackages/ocds-h6vhtk-000002").json()["records"][0]
    assert [one["id"] for one in record["releases"]] == ["000002-2026"]
    assert api.answer(f"{FTS_PATH}/000009-2026").status == 404


@pytest.mark.parametrize("path", ["/", "/Published/OCDS/Search", "/api/2.0/ocdsReleasePackages"])
def test_other_paths_are_not_found(path):
    assert api_with(FIND_A_TENDER, []).answer(path).status == 404


def test_find_a_tender_serves_twelve_requests_in_two_minutes():
    api = api_with(FIND_A_TENDER, [], enforce_limits=True)
    for _ in range(12):
        assert api.answer(FTS_PATH).status == 200
        api.clock.advance(timedelta(seconds=1))
    refused = api.answer(FTS_PATH)
    assert refused.status == 429
    assert refused.body == b"Rate limit of 12 exceeded. Please retry after 120 seconds."
    assert dict(refused.headers) == {"Content-Type": "text/plain", "Retry-After": "120"}
    api.clock.advance(timedelta(seconds=107))
    assert api.answer(FTS_PATH).status == 429
    api.clock.advance(timedelta(seconds=1))
    assert api.answer(FTS_PATH).status == 200
    assert api.answer(FTS_PATH).status == 429


def test_contracts_finder_closes_for_five_minutes():
    api = api_with(CONTRACTS_FINDER, [], enforce_limits=True)
    answers = [api.answer(CF_PATH) for _ in range(61)]
    assert [answer.status for answer in answers] == [200] * 60 + [403]
    assert b"no further requests should be made until after 5 minutes" in answers[-1].body
    api.clock.advance(timedelta(seconds=299))
    assert api.answer(CF_PATH).status == 403
    api.clock.advance(timedelta(seconds=1))
    assert api.answer(CF_PATH).status == 200


def test_limits_are_off_unless_asked_for():
    api = api_with(FIND_A_TENDER, [])
    assert {api.answer(FTS_PATH).status for _ in range(30)} == {200}


def test_requests_are_remembered():
    api = api_with(FIND_A_TENDER, [])
    api.answer(FTS_PATH, "limit=101")
    (record,) = api.requests
    assert (record.source, record.path, record.query, record.status) == (FIND_A_TENDER, FTS_PATH, "limit=101", 400)
    assert record.when == NOW
    assert json.dumps(record.as_json())


@pytest.mark.parametrize("source", SOURCES)
def test_generated_notices_are_walked_completely_in_any_window_size(source):
    start = datetime(2026, 3, 27, tzinfo=UTC)
    world = generate(5, start, start + timedelta(days=4), 150, dirty=0.2)
    catalogue = Catalogue(world, clock=ServerClock(frozen_at=NOW))
    api = OcdsApi(catalogue)
    named: set[str] = set()
    odd = 0
    for hours in range(0, 4 * 24, 6):
        begin, end = (start + timedelta(hours=h) for h in (hours, hours + 6))
        zone = ZoneInfo("Europe/London") if source == FIND_A_TENDER else UTC
        query = window(source, *(f"{at.astimezone(zone):%Y-%m-%dT%H:%M:%S}" for at in (begin, end)), limit=37)
        link = f"http://x{PATHS[source]}?{query}"
        while link:
            page = api.answer(PATHS[source], urlsplit(link).query).json()
            for found in page["releases"]:
                if isinstance(found, dict) and isinstance(found.get("id"), str):
                    named.add(found["id"])
                else:
                    odd += 1
            link = page.get("links", {}).get("next")
    assert named == set(catalogue.existing(source))
    assert odd == len(catalogue.unnamed(source)) > 0
    assert len(named) > 300
