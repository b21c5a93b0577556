"""Flat: what a page costs, in seconds and memory, at 10 thousand, 100 thousand and a million stored contracts.

A page is mapped and committed by the real engine and store; its releases are generated ones under new ids. Each size is
a database of its own, filled with ready documents, cut short so that they go in fast, every third of one buyer. The
sizes are measured in turn, page by page, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import bson
from bson import ObjectId

from tender_sync.api.client import FetchPageResult
from tender_sync.pipeline.engine import process_sync_job
from tender_sync.sources import CONTRACTS_FINDER
from tools.bench.figures import Figure, median_of
from tools.bench.rig import CLOCK, END, START, bench_run, fresh_database, mongo, releases
from tools.bench.stand_ins import MemoryJobs, Slots, memory_run

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from pymongo.database import Database

    from tender_sync.storage.page_commit import MappedPage
    from tender_sync.windows import TimeRange

PART = "flat"
PAGE, SAMPLE = 100, 30
SIZES = (10_000, 100_000, 1_000_000)
# One window as long as the run, so that nothing but the page is measured.
_RULES = replace(CONTRACTS_FINDER.windows, first_span=END - START, max_pages=10**9, target_pages=10**9)
SOURCE = replace(CONTRACTS_FINDER, windows=_RULES)
# Never asked: pages are made in memory.
HOOK: Any = None


class Pages:
    """Makes pages without end, of generated releases under new ids; notes when each was asked for."""

    def __init__(self) -> None:
        self._texts = [json.dumps(release) for release in releases(SOURCE)]
        self._numbers = count()
        self.asked_at: list[float] = []
        self.wanted = 0
        self.buyer: dict[str, Any] | None = None

    def fetch_page(self, cursor: str | None, window: TimeRange) -> FetchPageResult:
        """Make the next page."""
        del cursor, window
        made = [self._release(number) for number in islice(self._numbers, PAGE)]
        self.wanted -= 1
        self.asked_at.append(time.perf_counter())
        return FetchPageResult(made[: PAGE - (self.wanted == 0)], f"n={self.wanted}" if self.wanted else None)

    def _release(self, number: int) -> dict[str, Any]:
        release: dict[str, Any] = json.loads(self._texts[number % len(self._texts)])
        name = f"{number:08x}-0000-4000-8000-000000000000-{number % 1_000_000:06d}"
        release |= {"id": name, "ocid": f"ocds-b5fd17-{name}"}
        if self.buyer:
            parties = [party for party in release["parties"] if "buyer" not in party["roles"]]
            release |= {"buyer": self.buyer, "parties": [*parties, {**self.buyer, "roles": ["buyer"]}]}
        return release


def measure() -> Iterator[Figure]:
    """Fill the databases, and measure pages of each in turn."""
    with mongo() as client:
        pages, dbs = Pages(), {size: fresh_database(client, f"flat{size}") for size in SIZES}
        for size, db in dbs.items():
            _run(db, pages, 10)  # its documents are the models of those filled in
            _fill(db, size - db["contracts"].estimated_document_count())
        seconds = _in_turn(dbs, pages)
        for size in SIZES:
            yield Figure(PART, f"a page at {size:,} contracts", seconds[size] * 1000, "ms")
        first, last = dbs[SIZES[0]], dbs[SIZES[-1]]
        slower = seconds[SIZES[-1]] / seconds[SIZES[0]]
        yield Figure(PART, "a page at the last size, by one at the first", slower, "", "<= 1.2")
        jobs = [len(bson.encode(db["syncJobs"].find_one() or {})) for db in (first, last)]
        yield Figure(PART, "the job's document, last by first", jobs[1] / jobs[0], "", "<= 1.01", f"{jobs[1]} bytes")
        of_the_biggest = []
        for db in (first, last):
            buyer = _biggest(db)
            pages.buyer = {"id": buyer["orgId"], "name": buyer["name"]}
            of_the_biggest.append(median_of(_run(db, pages, SAMPLE)[5:]))
        note = f"{buyer['contractCount']:,} contracts"
        biggest = of_the_biggest[1] / of_the_biggest[0]
        yield Figure(PART, "a page of the biggest buyer's, last by first", biggest, "", "<= 1.2", note)
    yield _memory(100_000)


def _in_turn(dbs: dict[int, Database[dict[str, Any]]], pages: Pages) -> dict[int, float]:
    """Return the median seconds of a page in each database."""
    seconds: dict[int, list[float]] = {size: [] for size in dbs}
    for _ in range(SAMPLE):
        for size, db in dbs.items():
            seconds[size] += _run(db, pages, 2)
    return {size: median_of(each) for size, each in seconds.items()}


def _memory(number: int) -> Figure:
    """Read and map `number` releases in one run that stores nothing: what grows is the engine's or the mapper's."""
    pages, jobs = Pages(), MemoryJobs(SOURCE)
    at: list[float] = []

    def commit_page(page: MappedPage) -> Counter[str]:
        at.append(_resident() / 2**20)
        return page.counts

    pages.wanted = number // PAGE
    store, never = SimpleNamespace(commit_page=commit_page), datetime.max.replace(tzinfo=UTC)
    run = memory_run(SOURCE, None, Slots(CLOCK), jobs, store, CLOCK, deadline=never)
    process_sync_job(replace(run, fetch_page=pages.fetch_page))
    return Figure(PART, f"memory grown over {number:,} releases, nothing stored", at[-1] - at[20], "MB", "<= 20")


def _run(db: Database[dict[str, Any]], pages: Pages, wanted: int) -> list[float]:
    """Read `wanted` pages; return the seconds from each page's answer to the next page's request."""
    pages.wanted = wanted
    pages.asked_at.clear()
    db["syncJobs"].delete_many({})
    ended: list[float] = []

    def fetch_page(cursor: str | None, window: TimeRange) -> FetchPageResult:
        ended.append(time.perf_counter())
        return pages.fetch_page(cursor, window)

    process_sync_job(bench_run(db, SOURCE, HOOK, fetch_page=fetch_page))
    return [later - asked for asked, later in zip(pages.asked_at, ended[1:], strict=False)]


def _fill(db: Database[dict[str, Any]], number: int) -> None:
    """Insert `number` contracts fast, every third of one buyer."""
    models = [
        {**each, "rawData": {"tag": each["rawData"].get("tag"), "title": each["title"]}}
        for each in db["contracts"].find({}, sort={"_id": 1}).limit(1000)
    ]
    buyer_id = models[0]["buyerId"]
    for first in range(0, number, 2000):
        batch = []
        for n in range(first, min(first + 2000, number)):
            name = f"filled-{ObjectId()}"
            document = models[n % len(models)] | {"_id": ObjectId(), "noticeId": name, "ocid": f"ocds-{name}"}
            batch.append(document | ({"buyerId": buyer_id} if n % 3 == 0 else {}))
        db["contracts"].insert_many(batch, ordered=False)
    filled = {"$inc": {"contractCount": len(range(0, number, 3))}}
    db["buyers"].update_one({"_id": buyer_id}, filled)


def _biggest(db: Database[dict[str, Any]]) -> dict[str, Any]:
    return db["buyers"].find_one(sort={"contractCount": -1}) or {}


def _resident() -> int:
    """Return this process's resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
