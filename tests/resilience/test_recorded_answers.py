"""Find a Tender's own answers of one day, byte for byte: five pages by their cursors, and a 429 on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tender_sync.sources import FIND_A_TENDER
from tender_sync.sources.base import LONDON
from tests.conftest import ROOT
from tests.integration.oracle import problems
from tests.integration.world import notices
from tools.ocds_server import Answer, Catalogue, OcdsApi, Publication, ServerClock
from tools.ocds_server.jsontext import decode
from tools.ocds_server.limits import TOO_MANY

if TYPE_CHECKING:
    from pathlib import Path

RECORDED = ROOT.parent / "shared/notices/find_a_tender/recorded"
DAY = datetime(2026, 8, 10, tzinfo=LONDON)
QUERY = "updatedFrom=2026-08-10T00:00:00&updatedTo=2026-08-11T00:00:00&limit=100"
# The source with windows as they were asked for when the answers were recorded: whole days, without overlap.
DAY_LONG = timedelta(days=1)
_RULES = {"first_span": DAY_LONG, "max_unproven_span": DAY_LONG, "max_span": DAY_LONG, "overlap": timedelta()}
BY_DAYS = replace(FIND_A_TENDER, windows=replace(FIND_A_TENDER.windows, **_RULES))


def made_up(folder: Path) -> Path:
    """Write a day in the recording's shape: files of the same names, links to the public host, a cursor chain."""
    later = (DAY + timedelta(days=2)).astimezone(UTC)
    api = OcdsApi(Catalogue(notices(FIND_A_TENDER, times=20, now=later), clock=ServerClock(frozen_at=later)))
    query: str | None = QUERY
    for number in range(1, 100):
        answer = api.answer(FIND_A_TENDER.path, query, host="www.find-tender.service.gov.uk")
        (folder / f"2026-08-10_page-{number}.json").write_bytes(answer.body)
        link = answer.json().get("links", {}).get("next")
        if link is None:
            break
        query = urlsplit(link).query
    (folder / "429.body.txt").write_text(TOO_MANY)
    (folder / "429.headers.txt").write_text("HTTP/2 429 \nretry-after: 120\ncontent-type: text/plain\n")
    return folder


@pytest.fixture(params=["made up", *(["recorded"] if RECORDED.is_dir() else [])])
def recording(request, tmp_path):
    return RECORDED if request.param == "recorded" else made_up(tmp_path)


def pages(recording: Path) -> dict[str, bytes]:
    """Give the recorded bodies by the query that was answered with them."""
    query, found = QUERY, {}
    for number in range(1, len(list(recording.glob("2026-08-10_page-*.json"))) + 1):
        found[query] = (recording / f"2026-08-10_page-{number}.json").read_bytes()
        query = urlsplit(decode(found[query]).get("links", {}).get("next", "")).query
    assert query == "", "the recording's cursor chain is whole"
    return found


def too_many(recording: Path) -> Answer:
    lines = (recording / "429.headers.txt").read_text().splitlines()[1:]
    # Its length and its time are the server's own.
    headers = [tuple(line.split(": ", 1)) for line in lines if not line.startswith(("content-length", "date")) and line]
    return Answer(429, (recording / "429.body.txt").read_bytes(), tuple(headers))


def test_recorded_day_is_read_by_its_cursors_and_comes_whole(recording, make_world, monkeypatch, tell):
    tell("recorded", f"{recording.name if recording == RECORDED else 'made up'}: a day of Find a Tender")
    bodies = pages(recording)
    releases = [release for body in bodies.values() for release in decode(body)["releases"]]
    published = [Publication(BY_DAYS.name, release) for release in reversed(releases)]
    world = make_world(BY_DAYS, published, now=(DAY + timedelta(days=1)).astimezone(UTC))
    world.start = DAY.astimezone(UTC)
    asked = []

    def answer(_path: str, query: str, **_: str) -> Answer:
        asked.append((world.clock.now(), query))
        return too_many(recording) if len(asked) == 3 else Answer(200, bodies[query])

    monkeypatch.setattr(world.server.api, "answer", answer)
    result = world.run()
    assert result.done
    queries = list(bodies)
    assert [query for _, query in asked] == [*queries[:3], *queries[2:]], "the third is asked again"
    assert asked[3][0] - asked[2][0] >= timedelta(seconds=119), "MongoDB's clock, which keeps the pace, has gone on"
    assert problems(world) == []
    assert (result.fetched, result.record["requests"]) == (len(releases), len(bodies) + 1)
    assert world.db.contracts.count_documents({}) == len({release["id"] for release in releases})
    tell(facts=f"{result.fetched} releases in {len(bodies)} pages, {result.record['waitedSeconds']} s waited")
