"""One page of one source, over HttpHook: pace, retries, and an answer that can be trusted or says why not."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL, MissingSchema
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential
from urllib3.exceptions import HTTPError

from tender_sync.api.decoding import BrokenPackage, NotAPackage, decode_package
from tender_sync.errors import FailRun, FixSetup, ReadAgain, RetrySmallerWindow, TenderSyncError
from tender_sync.sources.base import Action
from tender_sync.storage.request_slots import LONGEST_HOLD_OFF
from tender_sync.windows import first_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.http.hooks.http import HttpHook
    from requests import Response

    from tender_sync.clock import Clock
    from tender_sync.run_meter import RunMeter
    from tender_sync.sources.base import Source
    from tender_sync.storage.request_slots import RequestSlots
    from tender_sync.windows import TimeRange

log = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 5, 60
# A page is about 1 MB and comes in seconds; these end a body that trickles or never stops.
BODY_SECONDS, BODY_BYTES = 180, 256 * 2**20
TRIES = 5
_REACHED = ("Read timed out", "Connection aborted")  # of Requests, before the body; what fails in it is urllib3's
_REFUSED_CERTIFICATE = "certificate verify failed"  # OpenSSL's words
_UNUSABLE = (InvalidURL, InvalidSchema, MissingSchema, InvalidHeader)
HEADERS = {
    "Accept": "application/json",
    "User-Agent": "tender-sync/0.1 (Apache Airflow; one request at a time)",
}


@dataclass(frozen=True)
class FetchPageResult:
    """One page as fetched.

    `releases` are as received (anything may stand among them); `next_cursor` is the API's own next-page query, None
    without a next link; `link_problem` says why that link cannot be used. `request` is path and query; `served_at`
    the server's clock, where it told it; `size` is in bytes.
    """

    releases: list[Any]
    next_cursor: str | None
    link_problem: str | None = None
    request: str = ""
    size: int = 0
    served_at: datetime | None = None


class _Failed(Exception):
    """One attempt failed: `wait` is the least wait before another, `in_the_end` what to raise after the last."""

    def __init__(self, in_the_end: TenderSyncError, wait: float = 0.0) -> None:
        super().__init__(str(in_the_end))
        self.in_the_end = in_the_end
        self.wait = wait


class PageClient:
    """Fetches pages of `source` through `hook`, one request at a time and at `pace`; `meter` counts the requests."""

    def __init__(self, source: Source, hook: HttpHook, pace: RequestSlots, clock: Clock, meter: RunMeter) -> None:
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
        retrying = Retrying(
            retry=retry_if_exception_type(_Failed),
            stop=stop_after_attempt(TRIES),
            wait=_longest_of_backoff_and_wish,
            # Not slept here: the API's next slot is moved, so that nobody else asks meanwhile either.
            sleep=self._pace.hold_off,
            before_sleep=_say,
            reraise=True,
        )
        try:
            return retrying(self._ask, query, with_cursor=cursor is not None)
        except _Failed as failed:
            if failed.wait:
                self._pace.hold_off(failed.wait)  # who asks next, such as this task's retry in a minute, waits as well
            raise failed.in_the_end from None

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
            raise _Failed(FailRun(self._message(f"{error}; expected an OCDS release package", request))) from None
        except BrokenPackage as error:
            raise _Failed(ReadAgain(str(error), body)) from None
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
        options = {
            "timeout": (CONNECT_SECONDS, READ_SECONDS),
            "check_response": False,  # the hook would raise without the response, and so without its Retry-After
            "allow_redirects": False,  # a redirect may lead to another host
            "stream": True,
        }
        try:
            with self._answer(request, options) as response:
                return response, self._body(response)
        except (OSError, HTTPError, ValueError) as error:  # ValueError: a redirect to what is no address
            # Of TLS only a refused certificate needs a person: a handshake cut short passes like any lost connection.
            # An OSError itself is Requests', for a missing file that the connection's extra names.
            wrapped = getattr(next(iter(error.args), None), "reason", None)
            why = wrapped if isinstance(wrapped, Exception) else error  # without what Requests wraps round it
            if isinstance(error, _UNUSABLE) or type(error) is OSError or _REFUSED_CERTIFICATE in str(error):
                raise FixSetup(
                    self._message(
                        f"{why}; expected an https address with a valid certificate, and in the connection's extra "
                        "texts as headers, one path as cert, one as verify, an object as proxies",
                        request,
                    )
                ) from None
            # A server that was reached and gives no whole answer may be at pains with too large a window.
            reached = isinstance(error, HTTPError) or any(said in str(error) for said in _REACHED)
            failure = RetrySmallerWindow if reached else FailRun
            reason = f"no answer ({type(why).__name__}: {why})"
            raise _Failed(failure(self._message(reason, request))) from None

    def _answer(self, request: str, options: dict[str, Any]) -> Response:
        try:
            answer: Response = self._hook.run(request, headers=HEADERS, extra_options=options)
        except (TypeError, AttributeError) as error:  # of a value of another type in the connection's extra
            raise InvalidHeader(error) from None
        return answer

    def _body(self, response: Response) -> bytes:
        began, body = self._clock.now(), bytearray()
        # read1 returns what has come; iter_content would wait for all of its chunk, for hours where it comes in drops.
        while chunk := response.raw.read1(2**16, decode_content=True):
            body += chunk
            seconds = (self._clock.now() - began).total_seconds()
            if seconds > BODY_SECONDS or len(body) > BODY_BYTES:
                reason = f"the answer had not ended after {len(body):,} bytes and {seconds:.0f} s"
                raise _Failed(RetrySmallerWindow(self._message(reason, response.url)))
        return bytes(body)

    def _refusal(self, response: Response, body: bytes, request: str, *, with_cursor: bool) -> Exception:
        status = response.status_code
        said = " ".join(body[:2000].decode("utf-8", errors="replace").split())[:300]
        rule = self._source.rule(status, with_cursor=with_cursor)
        redirect = f", leads to {response.headers['Location'][:300]!r}" if "Location" in response.headers else ""
        reason = f"HTTP {status} {response.reason or ''} ({said!r}{redirect})"
        if rule.action is Action.READ_AGAIN:
            return ReadAgain(f"the cursor is refused: {reason}")
        if rule.action is Action.STOP:
            return FailRun(
                self._message(
                    f"{reason}; expected 200. If it says that a parameter is wrong, the API has changed: "
                    f"correct {self._source.name} in sources.py",
                    request,
                )
            )
        wait = _retry_after(response.headers, self._clock.now())
        # Where the rule names a wait, the pace is what the API objects to, whatever the window's size.
        failure = RetrySmallerWindow if rule.wait is None else FailRun
        return _Failed(failure(self._message(reason, request)), wait if wait is not None else rule.wait or 0.0)

    def _next_cursor(self, links: object, query: str) -> tuple[str | None, str | None]:
        """Take the query of the next link, if it stays with this API and this window: `(cursor, problem)`."""
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


_backoff = wait_exponential(multiplier=3, max=60)  # 3, 6, 12, 24 s


def _longest_of_backoff_and_wish(state: RetryCallState) -> float:
    failed = state.outcome.exception() if state.outcome else None
    return max(_backoff(state), failed.wait if isinstance(failed, _Failed) else 0.0)


def _say(state: RetryCallState) -> None:
    failed = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    log.warning("attempt %d of %d failed, next in %.0f s: %s", state.attempt_number, TRIES, wait, failed)


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After in either form, in seconds from now, at most an hour; None when absent or unreadable."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    elif moment := _http_date(value):
        # By the server's own clock where it tells it: ours may differ.
        seconds = (moment - (_http_date(headers.get("Date")) or now)).total_seconds()
    else:
        return None
    return min(max(seconds, 0.0), LONGEST_HOLD_OFF)


def _address(text: str) -> SplitResult | None:
    """Split an address; None where it is none (RFC 3986 knows ASCII only, and halves of IPv6 addresses raise)."""
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
