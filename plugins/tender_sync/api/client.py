"""Fetches one page of one source over HTTP: pace, attempts, and whether the answer can be trusted."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import SplitResult, parse_qs, urlsplit

from requests import Response
from requests.exceptions import InvalidHeader
from urllib3.exceptions import HTTPError

from tender_sync.api.decoding import BrokenPackage, NotAPackage, decode_package
from tender_sync.api.request_schedule import LONGEST_HOLD_OFF
from tender_sync.api.retry_rules import BACKOFF_SECONDS, TRIES, failure_of, root_cause, status_rule
from tender_sync.clock import Clock
from tender_sync.errors import FailRun, FixSetup, ReadAgain, RetrySmallerWindow, TenderSyncError
from tender_sync.run_meter import RunMeter
from tender_sync.sources.base import Action, Source
from tender_sync.windows import TimeRange, first_query

log = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 5, 60
# A page is about 1 MB and arrives in seconds. These limits end a body that trickles or never stops.
BODY_SECONDS, BODY_BYTES = 180, 256 * 2**20
HEADERS = {"Accept": "application/json", "User-Agent": "tender-sync/0.1 (Apache Airflow; one request at a time)"}


class Hook(Protocol):
    """The part of Airflow's HttpHook that is used here."""

    base_url: str

    def run(self, endpoint: str, *, headers: dict[str, Any], extra_options: dict[str, Any]) -> Response:
        """Send a request and return its response."""


class Pace(Protocol):
    """Decides when the next request may start; see `request_slots.RequestSlots`."""

    def wait_for_slot(self) -> None:
        """Wait until a request may start."""

    def hold_off(self, seconds: float) -> None:
        """Let no request start for that many seconds."""


@dataclass(frozen=True)
class FetchPageResult:
    """One page as fetched."""

    releases: list[Any]  # as received: anything may be among them
    next_cursor: str | None  # the API's own next-page query; None without a next link
    link_problem: str | None = None  # why that link cannot be used
    request: str = ""  # path and query
    size: int = 0  # bytes
    served_at: datetime | None = None  # by the server's clock; None where the answer does not state it


class _AttemptFailed(Exception):
    """One attempt failed. `wait`: seconds the API wants no request for. `error`: raised after the last attempt."""

    def __init__(self, error: TenderSyncError, wait: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class PageClient:
    """Fetches pages of `source` through `hook`, one request at a time and at `pace`; `meter` counts the requests."""

    def __init__(self, source: Source, hook: Hook, pace: Pace, clock: Clock, meter: RunMeter) -> None:
        self._source = source
        self._hook = hook
        self._pace = pace
        self._clock = clock
        self._meter = meter

    def fetch_page(self, cursor: str | None, window: TimeRange) -> FetchPageResult:
        """Fetch the page of `window` at `cursor`, or its first page.

        :raises ReadAgain: the cursor is refused, or the page stays undecodable
        :raises RetrySmallerWindow: the server keeps failing; a smaller window may help
        :raises FailRun: the API cannot be reached, refuses the request or is down
        :raises FinishEarly: the run's time was spent waiting
        """
        query = cursor or first_query(self._source.windows, window)
        for attempt, backoff in enumerate(BACKOFF_SECONDS, start=1):
            try:
                return self._ask(query, with_cursor=cursor is not None)
            except _AttemptFailed as failed:
                last, wait = failed, max(backoff, failed.wait)
            if attempt < TRIES:
                log.warning("attempt %d of %d failed, next in %.0f s: %s", attempt, TRIES, wait, last)
            if wait:
                # Not slept here: moving the API's next slot makes everybody wait, also this task's retry in a minute.
                self._pace.hold_off(wait)
        raise last.error

    def _ask(self, query: str, *, with_cursor: bool) -> FetchPageResult:
        self._pace.wait_for_slot()
        self._meter.add(requests=1)
        request = f"{self._source.path}?{query}"
        response, body = self._get(request)
        if response.status_code != HTTPStatus.OK:
            raise self._refusal(response, body, request, with_cursor=with_cursor)
        try:
            package = decode_package(body)
        except NotAPackage as error:
            message = self._message(f"{error}; expected an OCDS release package", request)
            raise _AttemptFailed(FailRun(message)) from None
        except BrokenPackage as error:
            raise _AttemptFailed(ReadAgain(str(error), body)) from None
        next_cursor, problem = self._next_cursor(package.get("links"), query)
        return FetchPageResult(
            releases=package["releases"],
            next_cursor=next_cursor,
            link_problem=problem,
            request=request,
            size=len(body),
            served_at=_http_date(response.headers.get("Date")),
        )

    def _get(self, request: str) -> tuple[Response, bytes]:
        try:
            with self._send(request) as response:
                return response, self._body(response)
        except (OSError, HTTPError, ValueError) as error:
            raise self._no_answer(error, request) from None

    def _send(self, request: str) -> Response:
        options = {
            "timeout": (CONNECT_SECONDS, READ_SECONDS),
            "check_response": False,  # the hook would raise without the response, and so without its Retry-After
            "allow_redirects": False,  # a redirect may lead to another host
            "stream": True,
        }
        try:
            return self._hook.run(request, headers=HEADERS, extra_options=options)
        except (TypeError, AttributeError) as error:  # a value in the connection's extra has the wrong type
            raise InvalidHeader(error) from None

    def _no_answer(self, error: Exception, request: str) -> Exception:
        failure, cause = failure_of(error), root_cause(error)
        if failure is FixSetup:
            message = self._message(
                f"{cause}; expected an https address with a valid certificate, and in the connection's extra "
                "texts as headers, one path as cert, one as verify, an object as proxies",
                request,
            )
            return FixSetup(message)
        return _AttemptFailed(failure(self._message(f"no answer ({type(cause).__name__}: {cause})", request)))

    def _body(self, response: Response) -> bytes:
        began, body = self._clock.now(), bytearray()
        # read1 returns what has arrived. iter_content would wait for a full chunk, for hours if the body trickles.
        while chunk := response.raw.read1(2**16, decode_content=True):
            body += chunk
            seconds = (self._clock.now() - began).total_seconds()
            if seconds > BODY_SECONDS or len(body) > BODY_BYTES:
                reason = f"the answer had not ended after {len(body):,} bytes and {seconds:.0f} s"
                raise _AttemptFailed(RetrySmallerWindow(self._message(reason, response.url)))
        return bytes(body)

    def _refusal(self, response: Response, body: bytes, request: str, *, with_cursor: bool) -> Exception:
        status = response.status_code
        text = " ".join(body[:2000].decode("utf-8", errors="replace").split())[:300]
        rule = status_rule(self._source, status, with_cursor=with_cursor)
        redirect = f", leads to {response.headers['Location'][:300]!r}" if "Location" in response.headers else ""
        reason = f"HTTP {status} {response.reason or ''} ({text!r}{redirect})"
        if rule.action is Action.READ_AGAIN:
            return ReadAgain(f"the cursor is refused: {reason}")
        if rule.action is Action.STOP:
            message = self._message(
                f"{reason}; expected 200. If it says that a parameter is wrong, the API has changed: "
                f"correct {self._source.name} in tender_sync/sources/",
                request,
            )
            return FailRun(message)
        wait = _retry_after(response.headers, self._clock.now())
        # A rule with a wait means that the API objects to the pace. The window's size is not the cause.
        failure = RetrySmallerWindow if rule.wait is None else FailRun
        return _AttemptFailed(failure(self._message(reason, request)), wait if wait is not None else rule.wait or 0.0)

    def _next_cursor(self, links: object, query: str) -> tuple[str | None, str | None]:
        """Return `(cursor, problem)`: the next link's query, or why the link leaves this API or this window."""
        link = links.get("next") if isinstance(links, dict) else links
        if not link:
            return None, None
        if not isinstance(link, str) or (parts := _address(link)) is None:
            return None, f"the next link is no address but {link!a:.80}"
        # Only the query is ever used, so the public address is as good as the one the connection names.
        hosts = {urlsplit(self._hook.base_url).netloc, urlsplit(self._source.base_url).netloc}
        if parts.netloc not in hosts or not parts.path.endswith(self._source.path):
            return None, f"the next link leads elsewhere: {link[:200]!r}"
        asked, linked = parse_qs(query), parse_qs(parts.query)
        asked.pop("cursor", None)
        if len(linked.pop("cursor", ())) != 1 or linked != asked:
            return None, f"the next link asks for something else: {parts.query[:300]!r} after {query[:300]!r}"
        return parts.query, None

    def _message(self, reason: str, request: str) -> str:
        return (
            f"{self._source.title} ({self._hook.base_url or self._source.http_conn_id}): {reason}. "
            f"Asked for {request}. The job keeps its place and the next run goes on; "
            f"if this persists, try the address from here and check the connection {self._source.http_conn_id!r}"
        )


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return Retry-After (seconds or a date) in seconds from now, at most an hour; None when absent or unreadable."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    elif moment := _http_date(value):
        # By the server's own clock if the answer states it: ours may differ.
        seconds = (moment - (_http_date(headers.get("Date")) or now)).total_seconds()
    else:
        return None
    return min(max(seconds, 0.0), LONGEST_HOLD_OFF)


def _address(text: str) -> SplitResult | None:
    """Split an address; None if it is none. RFC 3986 allows ASCII only; half an IPv6 address raises ValueError."""
    try:
        return urlsplit(text) if text.isascii() else None
    except ValueError:
        return None


def _http_date(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value or "")
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
