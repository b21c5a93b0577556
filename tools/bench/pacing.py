"""The pace: how much of an allowed rate a long backfill uses, and that it never asks for more.

The server allows 12 requests in any 120 seconds, by the local OCDS server's own limit. Both sources backfill at once,
in hourly runs of 59.5 minutes that begin some seconds late; answers take their time, and some are a 503.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING
from unittest.mock import patch

from tender_sync.orchestration.params import TIME_BUDGET_MINUTES
from tender_sync.pipeline.engine import process_sync_job
from tender_sync.sources import SOURCES
from tools.bench.figures import Figure
from tools.bench.history import TODAY, History
from tools.bench.stand_ins import MemoryJobs, MemoryStore, SharedClock, Slots, Wire, memory_run
from tools.ocds_server.limits import RollingLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tender_sync.sources.base import Source

PART = "pace"
HOURS = 12
HISTORY = 450_000
ALLOWED_A_SECOND = 12 / 120
# Seconds: until Airflow's task has begun; from a request's start to its arrival; until the answer is there.
_STARTING, _ON_THE_WAY, _ANSWERING = (5.0, 20.0), (0.02, 0.3), (0.3, 4.0)


@dataclass
class Side:
    """One source backfilling, and what its server saw."""

    source: Source
    clock: SharedClock
    failing: float
    served: int = 0
    refused: int = 0
    limit: RollingLimit = field(default_factory=RollingLimit)

    def __post_init__(self) -> None:
        self._random = Random(self.source.name)
        self._history = History(self.source, HISTORY)
        self._jobs = MemoryJobs(self.source)
        self.slots = Slots(self.clock, self.source.pace, self.source.burst)

    def answer(self, endpoint: str) -> tuple[int, dict[str, str], bytes]:
        """Answer as the service does, when the request arrives."""
        self.clock.sleep(self._random.uniform(*_ON_THE_WAY))
        if self.limit.refuse(self.clock.now()):
            self.refused += 1
            return 429, {"Retry-After": "120"}, b"Rate limit of 12 exceeded."
        self.served += 1
        self.clock.sleep(self._random.uniform(*_ANSWERING))
        if self._random.random() < self.failing:
            return 503, {}, b""
        return 200, {}, self._history.answer(endpoint.partition("?")[2], TODAY)

    def backfill(self, hours: int) -> None:
        """Do hourly runs, as Airflow would."""
        began = self.clock.now()
        for hour in range(hours):
            late = timedelta(hours=hour, seconds=self._random.uniform(*_STARTING))
            self.clock.sleep(max(0.0, (began + late - self.clock.now()).total_seconds()))
            self._run()
        self.clock.leave()

    def _run(self) -> None:
        jobs, source = self._jobs, self.source
        run = memory_run(
            source,
            Wire(source, self.clock, self.answer),
            self.slots,
            jobs,
            MemoryStore(jobs),
            self.clock,
            deadline=self.clock.now() + timedelta(minutes=TIME_BUDGET_MINUTES),
        )
        process_sync_job(run)


def measure() -> Iterator[Figure]:
    """Backfill both sources at once, without failures and with one answer in fifty a 503."""
    for failing in (0.0, 0.02):
        clock, said = SharedClock(TODAY, tasks=len(SOURCES)), f", {failing:.0%} of answers a 503" if failing else ""
        sides = [Side(source, clock, failing) for source in SOURCES.values()]
        threads = [threading.Thread(target=side.backfill, args=(HOURS,), daemon=True) for side in sides]
        with patch("tender_sync.pipeline.engine.map_ocds_to_contract", lambda release, _: {"noticeId": release["id"]}):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for side in sides:
            name, allowed = f"{side.source.title}, {HOURS} hourly runs{said}", HOURS * 3600 * ALLOWED_A_SECOND
            note = f"{side.served:,} of {allowed:,.0f} requests"
            yield Figure(PART, f"{name}: allowed rate used", side.served / allowed, "", ">= 0.99", note)
            yield Figure(PART, f"{name}: refused for the rate", side.refused, "requests", "<= 0")
