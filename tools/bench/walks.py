"""Requests: how many a history and an hour cost, against what pages of 100 can hold; complete under silent loss."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING
from unittest.mock import patch

from tender_sync.pipeline.engine import process_sync_job
from tender_sync.sources import CONTRACTS_FINDER, FIND_A_TENDER
from tools.bench.figures import Figure
from tools.bench.history import HONEST, TODAY, History, Loss
from tools.bench.stand_ins import MemoryJobs, MemoryStore, SharedClock, Slots, Wire, memory_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tender_sync.sources.base import Source

PART = "requests"
SIZES = (450_000, 1_000_000)
# A Wednesday after its two busiest hours, and at night.
BUSY, QUIET = datetime(2026, 11, 25, 12, tzinfo=UTC), datetime(2026, 11, 25, 3, tzinfo=UTC)
A_DAY = {"FIND_A_TENDER": 340, "CONTRACTS_FINDER": 275}
LOSSES = {
    "a tenth missing from windows over a day": Loss(hours=24),
    "a tenth missing from windows over 12 hours": Loss(hours=12),
    "no next link from the second page on": Loss(last_page=2),
}


class Walker:
    """A source's real engine and feed over a history in memory, unpaced."""

    def __init__(self, history: History, now: datetime = TODAY) -> None:
        source = history.source
        self.history = history
        self.clock = SharedClock(now)
        self.wire = Wire(source, self.clock, self._answer)
        self.jobs = MemoryJobs(source)
        self.store = MemoryStore(self.jobs)

    def _answer(self, endpoint: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, self.history.answer(endpoint.partition("?")[2], self.clock.now())

    def run(self) -> int:
        """Do one run up to now; return how many requests it made."""
        before, end = self.wire.requests, datetime.max.replace(tzinfo=UTC)
        run = memory_run(
            self.history.source,
            self.wire,
            Slots(self.clock),
            self.jobs,
            self.store,
            self.clock,
            deadline=end,
        )
        # The mapper decides nothing here and would take most of the time.
        with patch("tender_sync.pipeline.engine.map_ocds_to_contract", lambda release, _: {"noticeId": release["id"]}):
            process_sync_job(run)
        return self.wire.requests - before

    @property
    def missing(self) -> int:
        """Count what the history holds and the store does not."""
        return len(self.history.times) - len(self.store.ids)


def measure() -> Iterator[Figure]:
    """Walk histories of both sources, honest and lossy, and hours of syncing."""
    for source in (FIND_A_TENDER, CONTRACTS_FINDER):
        for total in SIZES:
            name = f"{source.title}, {total:,} releases"
            yield from _backfill(source, total, HONEST, name, "<= 1.15")
        yield from _hours(source)
    for said, loss in LOSSES.items():
        yield from _backfill(FIND_A_TENDER, SIZES[0], loss, f"Find a Tender, {said}", "")


def _backfill(source: Source, total: int, loss: Loss, name: str, target: str) -> Iterator[Figure]:
    walker = Walker(History(source, total, loss=loss))
    requests, least = walker.run(), ceil(len(walker.history.times) / source.windows.page_size)
    yield Figure(PART, name, requests / least, "x the least", target, f"{requests:,} of {least:,} requests")
    yield Figure(PART, f"{name}: missing", walker.missing, "releases", "<= 0")


def _hours(source: Source) -> Iterator[Figure]:
    """Let a job that is up to date sync one more hour, in which `fresh` notices appear."""
    for when, until in (("at night", QUIET), ("at the busiest hour", BUSY)):
        for fresh in (0, 5, 300):
            recent = replace(source, history_start=until - timedelta(days=7))
            history = History(recent, 7 * A_DAY[source.name], until=until)
            walker = Walker(history, now=until)
            walker.run()
            history.publish([until + n * timedelta(hours=1) / (fresh + 1) for n in range(1, fresh + 1)])
            walker.clock.sleep(3600)
            name = f"{source.title}, an hour {when}, {fresh} new"
            target = "<= 2" if fresh == 0 else ""
            yield Figure(PART, name, walker.run(), "requests", target, f"least: {max(1, ceil(fresh / 100))}")
            if walker.missing:
                yield Figure(PART, f"{name}: missing", walker.missing, "releases", "<= 0")
