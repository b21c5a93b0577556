"""What stands in for the world in a simulation: a clock for several tasks, the wire, and what MongoDB would keep.

Everything of the package itself that runs is real: engine, windows, feed with its retries, mapper, pace and budget.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from requests import Response
from urllib3 import HTTPResponse

from tender_sync.api.client import PageClient
from tender_sync.pipeline.run import Run
from tender_sync.run_budget import RunBudget
from tender_sync.run_meter import RunMeter
from tender_sync.storage.request_slots import RequestSlots
from tender_sync.storage.sync_job_document import SyncJob
from tender_sync.windows import ReadPosition

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

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
    """The collection syncPace, by the simulated clock: runs the aggregation pipelines that `RequestSlots` sends."""

    def __init__(self, clock: SharedClock) -> None:
        self._clock = clock
        self._documents: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def __getitem__(self, _collection: str) -> Slots:
        return self

    def find_one_and_update(self, key: dict[str, str], stages: list[dict[str, Any]], **_options: Any) -> dict[str, Any]:
        """Apply `stages` of $set to the document `key`, in order."""
        with self._lock:
            document = self._documents.setdefault(key["_id"], {})
            for stage in stages:
                document.update({name: self._value(value, document) for name, value in stage["$set"].items()})
            return dict(document)

    def _value(self, expression: Any, document: dict[str, Any]) -> Any:
        if expression == "$$NOW":
            return self._clock.now()
        if isinstance(expression, str) and expression.startswith("$"):
            return document.get(expression[1:])
        if isinstance(expression, list):
            return [self._value(each, document) for each in expression]
        if not isinstance(expression, dict):
            return expression
        ((name, operands),) = expression.items()
        return _OPERATORS[name](*[self._value(operand, document) for operand in operands])


_OPERATORS: dict[str, Callable[..., Any]] = {
    "$max": lambda *values: max(value for value in values if value is not None),
    "$ifNull": lambda value, default: default if value is None else value,
    "$add": lambda moment, ms: None if moment is None else moment + timedelta(milliseconds=ms),
    "$arrayElemAt": lambda array, index: array[index] if -len(array) <= index < len(array) else None,
    "$concatArrays": lambda *arrays: list(chain(*arrays)),
    "$slice": lambda array, count: array[count:],
    "$lte": lambda lower, upper: lower is None or lower <= upper,
    "$cond": lambda test, met, unmet: met if test else unmet,
}


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
    slots: Any,
    jobs: Any,
    store: Any,
    clock: Any,
    *,
    pace: float,
    burst: int,
    deadline: datetime,
) -> Run:
    """Put a run together from stand-ins: nothing of it reaches a server."""
    meter, nothing = RunMeter(), cast("Any", None)
    budget = RunBudget(clock, deadline, renew=jobs.renew, stop_requested=lambda: False, meter=meter)
    client = PageClient(source, wire, RequestSlots(slots, source.name, pace, budget, burst=burst), clock, meter)
    return Run(
        source=source,
        db=nothing,
        jobs=jobs,
        store=store,
        fetch_page=client.fetch_page,
        budget=budget,
        clock=clock,
        backfill_start=source.history_start,
        meter=meter,
    )
