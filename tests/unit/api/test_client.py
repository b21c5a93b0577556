"""What each answer to a request for a page leads to. The hook is scripted; tests/integration uses real sockets."""

from __future__ import annotations

import io
import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from airflow.providers.http.hooks.http import HttpHook
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3 import HTTPResponse
from urllib3.exceptions import MaxRetryError, SSLError

from tender_sync.api.client import PageClient
from tender_sync.api.request_schedule import LONGEST_HOLD_OFF
from tender_sync.api.retry_rules import TRIES
from tender_sync.errors import FailRun, FixSetup, ReadAgain, RetrySmallerWindow
from tender_sync.run_meter import RunMeter
from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER, SOURCES
from tender_sync.windows import TimeRange, first_query
from tests.support.clocks import SimulatedClock
from tests.support.connections import http, http_variable
from tools.mongod import free_port

WINDOW = TimeRange(datetime(2026, 1, 5, 6, tzinfo=UTC), datetime(2026, 1, 5, 12, tzinfo=UTC))
NOON = "Mon, 05 Jan 2026 12:00:01 GMT"
both_sources = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def answer(status=200, body=b'{"releases": []}', **headers):
    response = requests.Response()
    response.status_code = status
    response.reason = "Reason"
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    response.raw = HTTPResponse(io.BytesIO(body), preload_content=False)
    response.url = "http://api.test/"
    return response


class ScriptedHook:
    """Gives the scripted answers one after another, the last one again and again; keeps the requests."""

    base_url = "http://api.test"

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []

    def run(self, endpoint, headers, extra_options):
        self.asked.append((endpoint, headers, extra_options))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step


class RequestSlots:
    """Counts the slots and keeps the seconds of every hold-off."""

    def __init__(self):
        self.turns = 0
        self.held_off = []

    def wait_for_slot(self):
        self.turns += 1

    def hold_off(self, seconds):
        self.held_off.append(seconds)


def fetch(source, *script, cursor=None):
    hook, pace, meter = ScriptedHook(*script), RequestSlots(), RunMeter()
    client = PageClient(source, hook, pace, SimulatedClock(), meter)
    try:
        return client.fetch_page(cursor, WINDOW), hook, pace
    except Exception as error:
        error.hook, error.pace = hook, pace
        raise
    finally:
        assert meter.uncommitted()["requests"] == len(hook.asked)


def page(next_link=None):
    links = {"links": {"next": next_link}} if next_link else {}
    return answer(body=json.dumps({"releases": [1, 2], **links}).encode(), Date=NOON)


def next_link(source, host="http://api.test", **changes):
    query = first_query(source.windows, WINDOW) + "&cursor=abc%3D"
    for old, new in changes.items():
        query = query.replace(old, new)
    return f"{host}{source.path}?{query}"


@both_sources
def test_a_page(source):
    result, hook, pace = fetch(source, page(next_link(source)))
    assert result.releases == [1, 2]
    assert result.next_cursor == next_link(source).split("?")[1]
    assert result.link_problem is None
    assert result.served_at == datetime(2026, 1, 5, 12, 0, 1, tzinfo=UTC)
    assert (len(hook.asked), pace.turns, pace.held_off) == (1, 1, [])
    endpoint, headers, options = hook.asked[0]
    assert endpoint == f"{source.path}?{first_query(source.windows, WINDOW)}"
    assert "tender-sync" in headers["User-Agent"]
    assert options["timeout"] == (5, 60)
    assert options["allow_redirects"] is False


@both_sources
def test_a_cursor_is_asked_for_as_the_api_gave_it(source):
    cursor = next_link(source).split("?")[1]
    _, hook, _ = fetch(source, page(), cursor=cursor)
    assert hook.asked[0][0] == f"{source.path}?{cursor}"


@both_sources
def test_each_page_links_to_the_next_with_a_cursor_of_its_own(source):
    second, third = (next_link(source, abc=cursor) for cursor in ("second", "third"))
    result, _, _ = fetch(source, page(third), cursor=second.split("?")[1])
    assert (result.next_cursor, result.link_problem) == (third.split("?")[1], None)


@both_sources
@pytest.mark.parametrize("links", [{}, {"next": None}, {"next": ""}, None, []], ids=str)
def test_no_link_is_no_link_however_it_is_written(source, links):
    """PHP, for one, writes an object without members as `[]`."""
    result, _, _ = fetch(source, answer(body=json.dumps({"releases": [1], "links": links}).encode()))
    assert (result.next_cursor, result.link_problem) == (None, None)


@both_sources
def test_the_public_host_in_a_link_is_as_good_as_the_connections(source):
    result, _, _ = fetch(source, page(next_link(source, host=source.base_url)))
    assert result.next_cursor


@both_sources
@pytest.mark.parametrize(
    "spoil",
    [
        lambda link: link.replace("api.test", "evil.test"),
        lambda link: link.replace("http://api.test", "http://api.test@evil.test"),
        lambda link: link.replace("api.test", "api.test:8080"),
        lambda link: link.replace("?", "/other?"),
        lambda link: link.replace("2026-01-05", "2026-01-04"),
        lambda link: link.replace("limit=100", "limit=10"),
        lambda link: f"{link}&stages=tender",
        lambda link: link.replace("cursor=", "other="),
        lambda link: f"{link}&cursor=second",
        lambda link: [link],
        lambda _: "http://[api.test/",
        lambda link: link.replace("abc", "ab\ud800"),
        lambda link: link.replace("abc", "é"),
    ],
)
def test_a_link_that_leads_elsewhere_is_doubted_and_never_followed(source, spoil):
    result, hook, _ = fetch(source, page(spoil(next_link(source))))
    assert result.next_cursor is None
    assert "next link" in result.link_problem
    assert len(hook.asked) == 1


RETRIED = [
    (lambda: answer(429, b"Rate limit of 12 exceeded."), 120),
    (lambda: answer(429, Retry_After="7"), 7),
    (lambda: answer(429, Retry_After="600"), 600),
    (lambda: answer(429, Retry_After="999999"), 3600),
    (lambda: answer(503, Retry_After="90"), 90),
    (lambda: answer(503, Retry_After="nonsense"), 3),
    (lambda: answer(503, Retry_After=format_datetime(datetime(2026, 11, 2, 12, 1, tzinfo=UTC), usegmt=True)), 60),
    (lambda: answer(500), 3),
    (lambda: answer(502), 3),
    (lambda: answer(504), 3),
    (lambda: answer(body=b"<html>maintenance</html>"), 3),
    (lambda: answer(body=b'{"releases": [{"id": '), 3),
    (lambda: requests.ConnectionError("refused"), 3),
    (lambda: requests.exceptions.SSLError("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation"), 3),
    (lambda: requests.ReadTimeout("Read timed out"), 3),
    (lambda: ValueError("Invalid IPv6 URL"), 3),  # Requests' own, of a redirect to http://[
    (lambda: requests.exceptions.ChunkedEncodingError("cut short"), 3),
]


@both_sources
@pytest.mark.parametrize(("failure", "wait"), RETRIED)
def test_a_passing_failure_is_asked_again_after_its_wait(source, failure, wait):
    result, hook, pace = fetch(source, failure(), page())
    assert result.releases == [1, 2]
    assert pace.held_off == [wait]
    assert (len(hook.asked), pace.turns) == (2, 2)


def test_a_date_in_retry_after_is_read_by_the_servers_own_clock():
    server = datetime(2031, 1, 1, tzinfo=UTC)
    dates = {
        "Date": format_datetime(server, usegmt=True),
        "Retry_After": format_datetime(server + timedelta(seconds=42), usegmt=True),
    }
    _, _, pace = fetch(FIND_A_TENDER, answer(503, **dates), page())
    assert pace.held_off == [42]


DATE_LIKE = r"Mon, \d{1,12} (Jan|Xxx) \d{1,12} \d{1,3}:\d\d:\d\d ([A-Z]{1,3}|[+-]\d{4,6})"


@example("Mon, 05 Jan 99999999999 12:00:00 GMT")
@given(st.text() | st.from_regex(DATE_LIKE))
def test_odd_dates_in_headers_are_no_dates(value):
    dates = {"Date": NOON, "Retry_After": value}
    _, _, pace = fetch(FIND_A_TENDER, answer(503, **dates), answer(Date=value.strip()))
    assert 0 <= pace.held_off[0] <= LONGEST_HOLD_OFF


def test_a_403_means_five_minutes_at_contracts_finder_only():
    _, _, pace = fetch(CONTRACTS_FINDER, answer(403, b"<html>"), page())
    assert pace.held_off == [300]
    with pytest.raises(FailRun, match="HTTP 403"):
        fetch(FIND_A_TENDER, answer(403, b"<html>"))


@pytest.mark.parametrize(
    ("source", "failure", "wait"),
    [
        (CONTRACTS_FINDER, lambda: answer(403, b"<html>"), 300),
        (FIND_A_TENDER, lambda: answer(429, Retry_After="120"), 120),
        (FIND_A_TENDER, lambda: answer(503, Retry_After="90"), 90),
    ],
)
def test_whoever_comes_after_the_last_try_waits_as_the_api_wished(source, failure, wait):
    """Airflow tries a failed task again after a minute."""
    with pytest.raises(FailRun) as caught:
        fetch(source, *(failure() for _ in range(TRIES)))
    assert caught.value.pace.held_off == [wait] * TRIES


@both_sources
@pytest.mark.parametrize(
    ("failure", "ends_as"),
    [
        (answer(503), RetrySmallerWindow),
        (answer(429), FailRun),
        (requests.ReadTimeout("Read timed out"), RetrySmallerWindow),
        (requests.ConnectionError("Connection refused"), FailRun),
        (answer(body=b"<html>maintenance</html>"), FailRun),
        (answer(body=b'{"message": "sorry"}'), FailRun),
        (answer(body=b'{"releases": [{"id": '), ReadAgain),
    ],
)
def test_a_lasting_failure_ends_after_the_last_try(source, failure, ends_as):
    failures = (
        [failure] * TRIES
        if isinstance(failure, Exception)
        else [answer(failure.status_code, failure.raw.data) for _ in range(TRIES)]
    )
    with pytest.raises(ends_as) as caught:
        fetch(source, *failures)
    assert type(caught.value) is ends_as
    assert len(caught.value.hook.asked) == TRIES
    assert caught.value.pace.held_off == sorted(caught.value.pace.held_off)
    if ends_as is not ReadAgain:
        assert source.http_conn_id in str(caught.value)
        assert source.path in str(caught.value)


@both_sources
def test_what_failed_is_said_and_not_all_that_wraps_it(source, monkeypatch):
    monkeypatch.setenv(http_variable(source), http(f"http://127.0.0.1:{free_port()}"))
    hook = HttpHook(method="GET", http_conn_id=source.http_conn_id)
    hook.get_conn()
    with pytest.raises(FailRun, match=r"no answer \(NewConnectionError: .*refused\)") as caught:
        PageClient(source, hook, RequestSlots(), SimulatedClock(), RunMeter()).fetch_page(None, WINDOW)
    assert "Max retries" not in str(caught.value)
    assert str(caught.value).count(source.path) == 1


@both_sources
@pytest.mark.parametrize("status", [301, 400, 401, 404, 418])
def test_a_refused_first_page_stops_the_run_at_once(source, status):
    with pytest.raises(FailRun, match=f"HTTP {status}.*updatedFrom is wrong") as caught:
        fetch(source, answer(status, b'{"message": "updatedFrom is wrong"}'))
    assert len(caught.value.hook.asked) == 1


@both_sources
def test_a_redirect_is_not_followed_but_told(source):
    with pytest.raises(FailRun, match=r"HTTP 308.*leads to 'https://api\.example\.org/2\.0'") as caught:
        fetch(source, answer(308, b"", Location="https://api.example.org/2.0"))
    assert len(caught.value.hook.asked) == 1


@both_sources
@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_refused_cursor_means_reading_the_window_again(source, status):
    with pytest.raises(ReadAgain, match="cursor is refused"):
        fetch(source, answer(status), cursor=next_link(source).split("?")[1])


@both_sources
def test_a_refused_certificate_needs_a_person(source):
    refused = ssl.SSLCertVerificationError(1, "self-signed certificate")
    with pytest.raises(FixSetup, match=source.http_conn_id):
        fetch(source, requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError(refused))))


@both_sources
@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"verify": "/nowhere/api.pem"}, r"invalid path: /nowhere/api\.pem"),
        ({"cert": "/nowhere/api.pem"}, r"invalid path: /nowhere/api\.pem"),
        # JSON knows no tuples, which is what Requests wants for a certificate and its key.
        ({"cert": ["/a.pem", "/a.key"]}, ""),
        ({"verify": ["/a.pem"]}, ""),
        ({"cert": 7}, ""),
        ({"proxies": "http://proxy:3128"}, ""),
        ({"X-Caller": 7}, ""),
    ],
    ids=str,
)
def test_an_extra_of_the_connection_that_cannot_be_used_needs_a_person(source, extra, said, monkeypatch):
    monkeypatch.setenv(http_variable(source), http("https://127.0.0.1:9", extra=extra))
    hook, pace = HttpHook(method="GET", http_conn_id=source.http_conn_id), RequestSlots()
    hook.get_conn()
    with pytest.raises(FixSetup, match=said + r".*; expected an https address .*extra.*" + source.http_conn_id):
        PageClient(source, hook, pace, SimulatedClock(), RunMeter()).fetch_page(None, WINDOW)
    assert pace.turns == 1


def test_a_defect_in_reading_the_answer_is_not_taken_for_the_connections():
    broken = answer()
    broken.raw = io.StringIO("{}")  # has no read1
    with pytest.raises(AttributeError, match="read1"):
        fetch(FIND_A_TENDER, broken)


def test_a_body_that_tls_cuts_short_is_said_with_its_error():
    cut = ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac")
    cut.reason = "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"  # as OpenSSL's own have it
    with pytest.raises(RetrySmallerWindow, match=r"no answer \(SSLError: .*decryption failed"):
        fetch(FIND_A_TENDER, SSLError(cut))


def test_a_body_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr("tender_sync.api.client.BODY_BYTES", 1000)
    bodies = [answer(body=b'{"releases": [' + b" " * 200_000) for _ in range(TRIES)]
    with pytest.raises(RetrySmallerWindow, match="had not ended after 65,536 bytes"):
        fetch(FIND_A_TENDER, *bodies)


def test_the_broken_body_is_kept_for_setting_it_aside():
    with pytest.raises(ReadAgain) as caught:
        fetch(FIND_A_TENDER, *[answer(body=b'{"releases": [{"id": ') for _ in range(TRIES)])
    assert caught.value.body == b'{"releases": [{"id": '
