"""Stand-ins for the world in a simulation: a clock for several tasks, the wire, and what MongoDB would keep.

Everything else is the package's own: engine, windows, page client with its retries, mapper, schedule and budget.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from requests import Response
from urllib3 import HTTPResponse

from tender_sync.api.client import PageClient
from tender_sync.api.request_schedule import RequestLimit, RequestSchedule
from tender_sync.pipeline.run import Run
from tender_sync.run_budget import RunBudget
from tender_sync.run_meter import RunMeter
from tender_sync.storage.sync_job_document import SyncJob
from tender_sync.windows import ReadPosition

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tender_sync.clock import Clock
    from tender_sync.sources.base import Source
    from tender_sync.storage.page_commit import MappedPage

Answer = tuple[int, dict[str, str], bytes]


class SharedClock:
    """One simulated time for several threads: it moves on to the earliest awakening once all of them sleep."""

    def __init__(self, start: datetime, tasks: int = 1) -> None:
        self._now = start
        self._awake = tasks
        self._awakenings: list[datetime] = []
        self._all_asleep = threading.Condition()

    def now(self) -> datetime:
        """Return the present moment."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass for this thread."""
        until = self._now + timedelta(seconds=seconds)
        with self._all_asleep:
            self._awakenings.append(until)
            self._awake -= 1
            self._move_on()
            while self._now < until:
                self._all_asleep.wait()
            self._awakenings.remove(until)
            self._awake += 1

    def leave(self) -> None:
        """Say that this thread will not sleep any more."""
        with self._all_asleep:
            self._awake -= 1
            self._move_on()

    def _move_on(self) -> None:
        if self._awake == 0 and self._awakenings:
            self._now = max(self._now, min(self._awakenings))
            self._all_asleep.notify_all()


class Wire:
    """HttpHook's position: asks `answer(path and query)` instead of a socket; counts `requests`."""

    def __init__(self, source: Source, clock: SharedClock, answer: Callable[[str], Answer]) -> None:
        self.base_url = source.base_url
        self.requests = 0
        self._clock = clock
        self._answer = answer

    def run(self, endpoint: str, **_options: Any) -> Response:
        """Ask, and return the answer as `requests` would."""
        self.requests += 1
        status, headers, body = self._answer(endpoint)
        response = Response()
        response.status_code = status
        response.headers.update({"Date": format_datetime(self._clock.now(), usegmt=True), **headers})
        response.raw = HTTPResponse(BytesIO(body), preload_content=False)
        response.url = endpoint
        return response


class Slots:
    """`RequestSlots` with its schedule in memory and by the simulated clock; shared by the runs of one source."""

    def __init__(self, clock: Clock, interval: float = 0.0, burst: int = 1) -> None:
        self._clock = clock
        self._limit = RequestLimit(burst, timedelta(seconds=interval * burst))
        self._schedule = RequestSchedule()
        self.budget: RunBudget | None = None

    def wait_for_slot(self) -> None:
        """Reserve the next free start and wait for it, within the budget of the run."""
        self._schedule = self._schedule.reserve(self._clock.now(), self._limit)
        seconds = (self._schedule.starts[-1] - self._clock.now()).total_seconds()
        if seconds > 0 and self.budget:
            self.budget.wait(seconds, "the next request")

    def hold_off(self, seconds: float) -> None:
        """Let no request start for that many seconds."""
        self._schedule = self._schedule.hold_off(self._clock.now(), self._limit, seconds)


class MemoryJobs:
    """A sync job in memory: its place outlasts runs, as the document's does."""

    run_id = "simulated"

    def __init__(self, source: Source) -> None:
        self.position: ReadPosition | None = None
        self.mode = "backfilling"
        self.errors = 0
        self._source = source

    def get_or_create_sync_job(self, backfill_start: datetime) -> SyncJob:
        """Return the job as it is."""
        self.position = self.position or ReadPosition(backfill_start, self._source.windows.first_span)
        return SyncJob(self.mode == "backfilling", self.position, backfill_start, failures=0)

    def mark_sync_complete(self) -> bool:
        """Note that the ceiling was reached."""
        first, self.mode = self.mode == "backfilling", "syncing"
        if self.position:
            self.position = replace(self.position, reached=None)
        return first

    def mark_sync_error(self, message: str, **_facts: Any) -> None:
        """Count a failed run."""
        del message
        self.errors += 1

    def end_run(self, outcome: str, *_counts: Any, **_facts: Any) -> dict[str, Any]:
        """Return the run's record."""
        return {"outcome": outcome}

    def renew(self) -> None:
        """Keep the lease, which nobody else wants here."""


class MemoryStore:
    """Keeps the ids of what was committed."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self.ids: set[str] = set()
        self._jobs = jobs

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Keep a page."""
        before = len(self.ids)
        self.ids.update(contract["noticeId"] for contract in page.contracts)
        self._jobs.position = page.position
        fetched, rejected = len(page.contracts) + len(page.rejections), len(page.rejections)
        return page.counts + Counter(fetched=fetched, created=len(self.ids) - before, rejected=rejected)


def memory_run(
    source: Source,
    wire: Any,
    slots: Slots,
    jobs: Any,
    store: Any,
    clock: Any,
    *,
    deadline: datetime,
) -> Run:
    """Put a run together from stand-ins: nothing of it reaches a server."""
    meter, nothing = RunMeter(), cast("Any", None)
    budget = RunBudget(clock, deadline, renew=jobs.renew, stop_requested=lambda: False, meter=meter)
    slots.budget = budget
    return Run(
        source=source,
        db=nothing,
        jobs=jobs,
        store=store,
        fetch_page=PageClient(source, wire, slots, clock, meter).fetch_page,
        budget=budget,
        clock=clock,
        backfill_start=source.history_start,
        meter=meter,
    )
