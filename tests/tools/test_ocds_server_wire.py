"""The local OCDS server over real sockets: each fault does on the wire what its name says."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tools.ocds_server import (
    CONTRACTS_FINDER,
    FIND_A_TENDER,
    REGISTRY,
    SOURCES,
    Catalogue,
    OcdsServer,
    ServerClock,
    generate,
)

NOW = datetime(2026, 6, 9, tzinfo=UTC)
START = datetime(2026, 6, 1, tzinfo=UTC)
QUERIES = {
    FIND_A_TENDER: "/api/1.0/ocdsReleasePackages"
    "?updatedFrom=2026-06-01T01:00:00&updatedTo=2026-06-08T01:00:00&limit=100",
    CONTRACTS_FINDER: "/Published/Notices/OCDS/Search"
    "?publishedFrom=2026-06-01T00:00:00&publishedTo=2026-06-08T00:00:00&limit=100",
}


@pytest.fixture(scope="module")
def world():
    return list(generate(2, START, START + timedelta(days=7), 50))


@pytest.fixture
def server(world):
    with OcdsServer(Catalogue(world), clock=ServerClock(frozen_at=NOW)) as running:
        yield running


@contextlib.contextmanager
def client(server, timeout=5.0):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


def get(server, target, **options):
    with client(server, **options) as connection:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()


def page(server, target):
    status, _, body = get(server, target)
    assert status == 200, body
    return json.loads(body)


def target_of(link):
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def next_of(package):
    return package.get("links", {}).get("next")


def walk(server, source, at_most=40):
    """Follow links; returns the release ids seen, in order (`None` for what is no release)."""
    seen, target = [], QUERIES[source]
    for _ in range(at_most):
        package = page(server, target)
        seen += [one.get("id") if isinstance(one, dict) else None for one in package["releases"]]
        if next_of(package) is None:
            return seen
        target = target_of(next_of(package))
    raise AssertionError(f"no end after {at_most} pages")


def expected(server, source):
    return set(server.catalogue.existing(source))


@pytest.mark.parametrize("source", SOURCES)
def test_a_walk_over_one_kept_connection(server, source):
    seen, target = [], QUERIES[source]
    with client(server) as connection:
        connection.connect()
        address = connection.sock.getsockname()
        while target:
            connection.request("GET", target, headers={"Host": "api.test:99"})
            answer = connection.getresponse()
            assert (answer.status, answer.version) == (200, 11)
            assert parsedate_to_datetime(answer.headers["Date"]) == NOW
            assert (source == FIND_A_TENDER) == ("Set-Cookie" in answer.headers)
            package = json.loads(answer.read())
            seen += [one["id"] for one in package["releases"]]
            link = next_of(package)
            assert link is None or urlsplit(link).netloc == "api.test:99"
            target = link and target_of(link)
        assert connection.sock.getsockname() == address
    assert set(seen) == expected(server, source)
    assert len(seen) > 200
    assert [(r.source, r.status) for r in server.requests] == [(source, 200)] * len(server.requests)


def test_many_clients_at_once(server):
    results = []
    threads = [threading.Thread(target=lambda: results.append(walk(server, FIND_A_TENDER))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == 6
    assert all(set(result) == expected(server, FIND_A_TENDER) for result in results)


# Faults in the status


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("name", "options", "status", "retry_after", "words"),
    [
        ("http_429", {}, 429, "120", b"Rate limit of 12 exceeded. Please retry after 120 seconds."),
        ("http_429", {"retry_after": None}, 429, None, b"Rate limit"),
        ("http_429", {"retry_after": 7}, 429, "7", b"Rate limit"),
        ("http_429", {"as_date": True}, 429, "Tue, 09 Jun 2026 00:02:00 GMT", b"Rate limit"),
        ("http_403", {}, 403, None, b"no further requests should be made until after 5 minutes"),
        ("http_500", {}, 500, None, b"<html>"),
        ("http_502", {}, 502, None, b"<html>"),
        ("http_503", {}, 503, "60", b"<html>"),
        ("http_503", {"retry_after": None}, 503, None, b"<html>"),
        ("http_504", {}, 504, None, b"<html>"),
        ("html", {}, 200, None, b"<html>"),
    ],
)
def test_status_faults(server, source, name, options, status, retry_after, words):
    server.faults.add(name, times=1, **options)
    found, headers, body = get(server, QUERIES[source])
    assert (found, headers.get("Retry-After")) == (status, retry_after)
    assert words in body
    assert server.requests[-1].fault == name
    assert get(server, QUERIES[source])[0] == 200


def test_expired_cursor_spares_first_pages(server):
    server.faults.add("expired_cursor")
    package = page(server, QUERIES[FIND_A_TENDER])
    status, _, body = get(server, target_of(next_of(package)))
    assert status == 400
    assert "cursor" in json.loads(body)["message"]


# Faults on the wire


def test_reset_before_the_answer(server):
    server.faults.add("reset", times=1)
    with pytest.raises(ConnectionResetError):
        get(server, QUERIES[FIND_A_TENDER])
    assert get(server, QUERIES[FIND_A_TENDER])[0] == 200


def test_reset_mid_body(server):
    server.faults.add("reset_mid_body", times=1)
    with client(server) as connection:
        connection.request("GET", QUERIES[FIND_A_TENDER])
        answer = connection.getresponse()
        assert answer.status == 200
        with pytest.raises(ConnectionResetError):
            answer.read()


def test_cut_short_of_its_content_length(server):
    whole = get(server, QUERIES[FIND_A_TENDER])[2]
    server.faults.add("cut_short", times=1)
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server, QUERIES[FIND_A_TENDER])
    assert caught.value.partial == whole[: len(whole) // 2]
    assert len(caught.value.partial) + caught.value.expected == len(whole)


def test_cut_short_without_content_length(server):
    whole = get(server, QUERIES[FIND_A_TENDER])[2]
    server.faults.add("cut_short_no_length", times=1)
    status, headers, body = get(server, QUERIES[FIND_A_TENDER])
    assert (status, headers.get("Content-Length"), headers["Connection"]) == (200, None, "close")
    assert body == whole[: len(whole) // 2]


def test_hang_sends_nothing(server):
    server.faults.add("hang", times=1)
    with client(server, timeout=0.3) as connection:
        connection.request("GET", QUERIES[FIND_A_TENDER])
        with pytest.raises(TimeoutError):
            connection.getresponse()
    assert get(server, QUERIES[FIND_A_TENDER])[0] == 200


def test_trickle_sends_drops(server):
    whole = get(server, QUERIES[FIND_A_TENDER].replace("limit=100", "limit=1"))[2]
    server.faults.add("trickle", times=1, size=len(whole) // 4, pause=0.02)
    with client(server) as connection:
        connection.request("GET", QUERIES[FIND_A_TENDER].replace("limit=100", "limit=1"))
        answer = connection.getresponse()
        drops = []
        while drop := answer.read1():
            drops.append(drop)
    assert b"".join(drops) == whole
    assert len(drops) >= 4


# Faults in the body


def test_invalid_json(server):
    server.faults.add("invalid_json", times=1)
    status, _, body = get(server, QUERIES[FIND_A_TENDER])
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


@pytest.mark.parametrize("source", SOURCES)
def test_infinite_amount(server, source):
    server.faults.add("infinite_amount", times=1)
    body = get(server, QUERIES[source])[2]
    assert b'"amount":1e9999,' in body
    assert {one["id"] for one in json.loads(body)["releases"]} <= expected(server, source)


@pytest.mark.parametrize("source", SOURCES)
def test_bare_zeros(server, source):
    server.faults.add("bare_zeros", times=1)
    body = get(server, QUERIES[source])[2]
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert body.count(b'"amount": 000,') == 1
    assert len(json.loads(body.replace(b'"amount": 000,', b'"amount":0,'))["releases"]) == 100


@pytest.mark.parametrize("source", SOURCES)
def test_not_utf8(server, source):
    server.faults.add("not_utf8", times=1)
    body = get(server, QUERIES[source])[2]
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert "Café refurbishment" in body.decode("latin-1")


def test_not_a_package(server):
    server.faults.add("not_a_package", times=1)
    server.faults.add("not_a_package", times=1, value=[1, 2])
    assert page(server, QUERIES[FIND_A_TENDER]) == {"message": "ok"}
    assert page(server, QUERIES[FIND_A_TENDER]) == [1, 2]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("value", [None, "release", 7])
def test_odd_release_stands_among_all_the_others(server, source, value):
    server.faults.add("odd_release", times=1, value=value)
    first = page(server, QUERIES[source])
    assert [one for one in first["releases"] if not isinstance(one, dict)] == [value]
    assert len(first["releases"]) == 100
    server.faults.add("odd_release", value=value)
    seen = walk(server, source)
    assert set(seen) - {None} == expected(server, source)
    assert seen.count(None) >= 3


@pytest.mark.parametrize("source", SOURCES)
def test_duplicate_id_repeats_a_release_of_each_page(server, source):
    server.faults.add("duplicate_id")
    first = page(server, QUERIES[source])
    names = [one["id"] for one in first["releases"]]
    assert (len(names), len(set(names)), next_of(first) is None) == (100, 99, False)
    assert set(walk(server, source)) == expected(server, source)


# Faults in the walk


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", ["empty_with_next", "short_with_next"])
@pytest.mark.parametrize("cursor", [False, True])
def test_pages_that_are_smaller_than_they_should_lose_nothing(server, source, name, cursor):
    rule = server.faults.add(name, times=1, cursor=cursor)
    seen = walk(server, source)
    assert set(seen) == expected(server, source)
    assert len(seen) == len(set(seen))
    assert rule.hits == 1
    server.faults.clear()
    server.faults.add(name, times=1)
    small = page(server, QUERIES[source])
    assert len(small["releases"]) == {"empty_with_next": 0, "short_with_next": 50}[name]
    assert next_of(small) is not None


@pytest.mark.parametrize("source", SOURCES)
def test_full_without_next(server, source):
    server.faults.add("full_without_next", times=1, cursor=True)
    seen = walk(server, source)
    assert len(seen) == 200
    assert set(seen) < expected(server, source)


@pytest.mark.parametrize("source", SOURCES)
def test_repeated_cursor_leads_to_the_same_page(server, source):
    rule = server.faults.add("repeated_cursor", cursor=True)
    second = target_of(next_of(page(server, QUERIES[source])))
    once = page(server, second)
    again = page(server, target_of(next_of(once)))
    assert target_of(next_of(once)) == second
    assert once["releases"] == again["releases"]
    assert rule.hits == 2


@pytest.mark.parametrize("source", SOURCES)
def test_cursor_cycle_comes_back_to_the_second_page(server, source):
    server.faults.add("cursor_cycle")
    first = page(server, QUERIES[source])
    second = page(server, target_of(next_of(first)))
    assert second["releases"][0] != first["releases"][0]
    assert next_of(second) == next_of(first)


@pytest.mark.parametrize("source", SOURCES)
def test_foreign_next(server, source):
    server.faults.add("foreign_next", times=1, host="elsewhere.test")
    link = urlsplit(next_of(page(server, QUERIES[source])))
    honest = urlsplit(next_of(page(server, QUERIES[source])))
    assert link.netloc == "elsewhere.test"
    assert (link.path, link.query) == (honest.path, honest.query)


@pytest.mark.parametrize("source", SOURCES)
def test_changed_next_asks_for_another_window(server, source):
    server.faults.add("changed_next", times=1)
    changed = target_of(next_of(page(server, QUERIES[source])))
    honest = target_of(next_of(page(server, QUERIES[source])))
    assert changed == honest.replace("From=2026-06-01", "From=2026-06-02")
    assert changed != honest
    assert get(server, changed)[0] == 400


@pytest.mark.parametrize("source", SOURCES)
def test_missing_releases_come_back_in_shorter_windows(server, source):
    server.faults.add("missing_releases", hours=24, share=0.2)
    long = set(walk(server, source))
    assert long < expected(server, source)
    assert 0.7 < len(long) / len(expected(server, source)) < 0.9
    assert long == set(walk(server, source))
    short = set()
    for day in range(1, 8):
        target = QUERIES[source].replace("From=2026-06-01", f"From=2026-06-0{day}")
        package = page(server, target.replace("To=2026-06-08", f"To=2026-06-0{day + 1}"))
        assert next_of(package) is None
        short |= {one["id"] for one in package["releases"]}
    assert short == expected(server, source)


@pytest.mark.parametrize("source", SOURCES)
def test_redated_moves_a_release_out_of_the_walk(server, source):
    server.faults.add("redated", times=1)
    before = expected(server, source)
    missing = before - set(walk(server, source))
    assert len(missing) == 1
    assert expected(server, source) == before
    moved = server.catalogue.existing(source)[missing.pop()]
    assert moved["date"] == "2026-06-09T00:00:00Z"


# Rules


def test_rules_choose_their_requests(server):
    server.faults.add("http_500", source=CONTRACTS_FINDER)
    server.faults.add("http_502", source=FIND_A_TENDER, every=3)
    statuses = [get(server, QUERIES[FIND_A_TENDER])[0] for _ in range(6)]
    assert statuses == [200, 200, 502] * 2
    assert get(server, QUERIES[CONTRACTS_FINDER])[0] == 500
    server.faults.clear()
    assert get(server, QUERIES[CONTRACTS_FINDER])[0] == 200


def test_probability_is_seeded(server):
    def statuses():
        server.faults.clear()
        server.faults.add("http_503", probability=0.5, seed=7)
        return [get(server, QUERIES[FIND_A_TENDER])[0] for _ in range(20)]

    first = statuses()
    assert set(first) == {200, 503}
    assert first == statuses()


def test_faults_come_one_after_the_other(server):
    server.faults.add("http_500", times=2)
    server.faults.add("http_429", times=1)
    assert [get(server, QUERIES[FIND_A_TENDER])[0] for _ in range(4)] == [500, 500, 429, 200]


def test_an_unknown_fault_is_refused_with_the_known_ones(server):
    with pytest.raises(ValueError, match=r"'http_418'.*cut_short.*trickle"):
        server.faults.add("http_418")


def test_every_fault_is_tested_here():
    text = Path(__file__).read_text()
    assert [name for name in REGISTRY if f'"{name}"' not in text] == []
