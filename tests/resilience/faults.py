"""The fault matrix as data: what goes wrong, how to make it happen, and how a run must end while it lasts."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tender_sync.sources import SOURCES
from tests.support.clocks import ClockAhead
from tools.mongod import free_port
from tools.ocds_server import CONTRACTS_FINDER, FIND_A_TENDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import pytest

    from tender_sync.sources.base import Source
    from tests.integration.world import World

SECONDS_A_REQUEST = 1
"""What every request takes, by the world's clock."""


@dataclass
class Case:
    """A world for a fault to happen in; `times` bounds how often it happens, None: as long as it lasts."""

    world: World
    connect: Callable[[Source, str], None]
    patch: pytest.MonkeyPatch
    times: int | None = None


@dataclass(frozen=True)
class Fault:
    """One row of the matrix.

    `stops`: what a run's message says that ends because the fault lasts; None: it is complete all the same.
    `stops_at_once`: so does one that passes. `waits`: the least seconds until the request after a spoiled one.
    `never_met`: the source is walked so that it cannot happen. `unheard`: the server is not reached. `spoils`: releases
    come out changed. `shows`: releases it adds. `only`: the one source it is of.
    """

    said: str
    happen: Callable[[Case], AbstractContextManager[None]]
    stops: str | None = None
    stops_at_once: bool = False
    waits: float = 0
    never_met: bool = False
    unheard: bool = False
    spoils: bool = False
    shows: tuple[Any, ...] = ()
    only: str | None = None

    @property
    def outcome(self) -> str:
        """Say, for the table, how a run ends."""
        if self.never_met:
            return "never met: windows are shorter"
        if self.stops is None:
            return "complete while it lasts"
        wait = f", asks again after {self.waits} s" if self.waits else ""
        at_once = " at once" if self.stops_at_once else ""
        return f"stops{at_once}, “{self.stops}”{wait}; complete after it"


class Served:
    """A fault of the server's own, by its name in `tools.ocds_server`."""

    def __init__(self, rule: str, **options: Any) -> None:
        self.rule, self.options = rule, options

    @contextmanager
    def __call__(self, case: Case) -> Iterator[None]:
        rule = case.world.server.faults.add(self.rule, times=case.times, **self.options)
        yield
        assert rule.hits > 0, "the fault never happened"
        case.world.server.faults.clear()


@contextmanager
def never_asked_for(case: Case) -> Iterator[None]:
    """Hide releases from windows longer than the source is walked in."""
    hours = case.world.source.windows.max_span / timedelta(hours=1)
    rule = case.world.server.faults.add("missing_releases", hours=hours + 1, share=0.3)
    yield
    assert rule.hits == 0
    case.world.server.faults.clear()


@contextmanager
def _elsewhere(case: Case, url: str) -> Iterator[None]:
    """Point the connection elsewhere: for good, or (a fault that passes) for the first ten seconds."""
    world, sleep = case.world, case.world.clock.sleep
    back_at = world.clock.now() + timedelta(seconds=10)

    def sleep_and_come_back(seconds: float) -> None:
        sleep(seconds)
        if case.times is not None and world.clock.now() >= back_at:
            case.connect(world.source, world.server.url)

    case.connect(world.source, url)
    case.patch.setattr(world.clock, "sleep", sleep_and_come_back)
    yield
    case.connect(world.source, world.server.url)


@contextmanager
def nobody_listens(case: Case) -> Iterator[None]:
    """Ask a port nobody listens on."""
    with _elsewhere(case, f"http://127.0.0.1:{free_port()}"):
        yield


@contextmanager
def nobody_accepts(case: Case) -> Iterator[None]:
    """Ask a port whose queue is full: the connection is neither made nor refused."""
    case.patch.setattr("tender_sync.api.client.CONNECT_SECONDS", 0.1)
    with ExitStack() as sockets:
        busy = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(busy.getsockname())
        with _elsewhere(case, f"http://127.0.0.1:{busy.getsockname()[1]}"):
            yield


@contextmanager
def silence(case: Case) -> Iterator[None]:
    """Accept, and say nothing."""
    case.patch.setattr("tender_sync.api.client.READ_SECONDS", 0.1)
    with Served("hang")(case):
        yield


@contextmanager
def another_host(case: Case) -> Iterator[None]:
    """Link to a host that listens, and that nobody may ever speak to."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        with Served("foreign_next", host=f"127.0.0.1:{other.getsockname()[1]}")(case):
            yield
        other.setblocking(False)
        try:
            other.accept()
        except BlockingIOError:
            return
        raise AssertionError("the other host was spoken to")


def clock_off(**by: float) -> Callable[[Case], AbstractContextManager[None]]:
    """Set this machine's clock off by so much from the server's."""

    @contextmanager
    def happen(case: Case) -> Iterator[None]:
        case.world.clock = ClockAhead(case.world.server.clock, timedelta(**by))
        yield
        case.world.clock = case.world.server.clock

    return happen


_NO_END = "no believable end"
FAULTS = [
    Fault("429, Retry-After in seconds", Served("http_429"), "HTTP 429", waits=120),
    Fault("429, Retry-After as an HTTP date", Served("http_429", retry_after=90, as_date=True), "HTTP 429", waits=90),
    Fault("429 without Retry-After", Served("http_429", retry_after=None), "HTTP 429", waits=120),
    Fault("403 page", Served("http_403"), "HTTP 403", waits=300, only=CONTRACTS_FINDER),
    Fault("403 page", Served("http_403"), "HTTP 403", only=FIND_A_TENDER, stops_at_once=True),
    Fault("500", Served("http_500"), "HTTP 500"),
    Fault("502", Served("http_502"), "HTTP 502"),
    Fault("503, Retry-After in seconds", Served("http_503"), "HTTP 503", waits=60),
    Fault("503, Retry-After as an HTTP date", Served("http_503", as_date=True), "HTTP 503", waits=60),
    Fault("504", Served("http_504"), "HTTP 504"),
    Fault("connection refused", nobody_listens, "refused", unheard=True),
    Fault("no connection in 5 s", nobody_accepts, "timed out", unheard=True),
    Fault("no answer in 60 s", silence, "Read timed out"),
    Fault("reset before the answer", Served("reset"), "no answer"),
    Fault("reset in the body", Served("reset_mid_body"), "no answer"),
    Fault("body shorter than its Content-Length", Served("cut_short"), "IncompleteRead"),
    Fault("body cut short, without Content-Length", Served("cut_short_no_length"), "JSON"),
    Fault("invalid JSON", Served("invalid_json"), "JSON"),
    Fault("JSON that is no release package", Served("not_a_package"), "JSON without a list of releases"),
    Fault("HTML with status 200", Served("html"), "not JSON"),
    Fault("`1e9999` as an amount", Served("infinite_amount"), spoils=True),
    Fault("` 000,` as a number", Served("bare_zeros"), spoils=True),
    Fault("bytes that are not UTF-8", Served("not_utf8"), spoils=True),
    Fault("`null` among the releases", Served("odd_release"), shows=(None,)),
    Fault("the same id twice in a page", Served("duplicate_id")),
    Fault("an empty page with a next link", Served("empty_with_next"), _NO_END),
    Fault("half a page with a next link", Served("short_with_next")),
    Fault("a full page without a next link", Served("full_without_next")),
    Fault("a repeated cursor", Served("repeated_cursor"), _NO_END),
    Fault("a cycle of cursors", Served("cursor_cycle")),
    Fault("an expired cursor (400)", Served("expired_cursor")),
    Fault("a next link to another host", another_host),
    Fault("a next link with other parameters", Served("changed_next")),
    Fault("releases missing from long windows", Served("missing_releases", hours=7, share=0.3), only=FIND_A_TENDER),
    Fault("releases missing from long windows", never_asked_for, never_met=True, only=CONTRACTS_FINDER),
    Fault("releases re-dated while paging", Served("redated")),
    Fault("this clock 40 minutes ahead of the server's", clock_off(minutes=40)),
    Fault("this clock 40 minutes behind", clock_off(minutes=-40)),
    Fault("this clock 3 days ahead", clock_off(days=3), "this machine's clock says", stops_at_once=True),
    Fault("this clock 3 days behind", clock_off(days=-3)),
]


def table() -> str:
    """Write the matrix as a table, for docs/RESILIENCE.md."""
    lines = ["| fault | outcome |", "|---|---|"]
    for fault in FAULTS:
        at = f" ({SOURCES[fault.only].title})" if fault.only else ""
        lines.append(f"| {fault.said}{at} | {fault.outcome} |")
    return "\n".join(lines)
