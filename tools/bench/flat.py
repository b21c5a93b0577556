"""Flat: what a page costs, in seconds and memory, at 10 thousand, 100 thousand and a million stored contracts.

A page is mapped and committed by the real engine and store; its releases are generated ones under new ids. Up to
100,000 contracts are brought by such a run; the rest of the million are copies of its documents, cut short so that
they go in fast, a third of them of one buyer.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bson
from bson import ObjectId

from tender_sync.engine import process_sync_job
from tender_sync.feed import FetchPageResult
from tender_sync.sources import CONTRACTS_FINDER
from tools.bench.figures import Figure, median_of
from tools.bench.rig import CLOCK, START, endless, fresh_database, holder, mongo, releases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from tender_sync.windows import Window

PART = "flat"
PAGE, SAMPLE = 100, 40
RUN, MILLION = 100_000, 1_000_000
# One window as long as the run, so that nothing but the page is measured.
SOURCE = replace(CONTRACTS_FINDER, max_pages=MILLION, aim_pages=MILLION)


class Pages:
    """Hands out pages without end, of generated releases under ids not met before; notes when each was asked for."""

    def __init__(self) -> None:
        self._texts = [json.dumps(release) for release in releases(SOURCE)]
        self._numbers = count()
        self.asked_at: list[float] = []
        self.memory: list[int] = []
        self.wanted = 0
        self.buyer: dict[str, Any] | None = None

    def fetch_page(self, cursor: str | None, window: Window) -> FetchPageResult:
        """Make the next page."""
        del cursor, window
        self.memory.append(_resident())
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
    """Fill, and measure pages at each size."""
    with mongo() as client:
        db, pages = fresh_database(client), Pages()
        seconds = _run(db, pages, RUN // PAGE)
        first = median_of(seconds[10_000 // PAGE : 10_000 // PAGE + SAMPLE])
        job_size = _job_size(db)
        yield Figure(PART, "a page at 10,000 contracts", first * 1000, "ms")
        hundred = median_of(seconds[-SAMPLE:])
        yield Figure(PART, "a page at 100,000 contracts", hundred * 1000, "ms")
        grown = (median_of(pages.memory[-SAMPLE:]) - median_of(pages.memory[100 : 100 + SAMPLE])) / 2**20
        yield Figure(PART, "memory grown over a run of 100,000 releases, from its 100th page", grown, "MB", "<= 20")
        buyer = _fill(db, MILLION - RUN)
        last = median_of(_run(db, pages, SAMPLE + 10)[10:])
        yield Figure(PART, "a page at 1,000,000 contracts", last * 1000, "ms")
        yield Figure(PART, "a page at the last size, by one at the first", last / first, "", "<= 1.2")
        yield Figure(PART, "the job's document, by itself at the beginning", _job_size(db) / job_size, "", "<= 1.05")
        pages.buyer = {"id": buyer["orgId"], "name": buyer["name"]}
        biggest = median_of(_run(db, pages, SAMPLE + 10)[10:])
        note = f"{buyer['contractCount']:,} contracts"
        yield Figure(PART, "a page of the biggest buyer's, by one of many buyers'", biggest / last, "", "<= 1.2", note)


def _run(db: Database[dict[str, Any]], pages: Pages, wanted: int) -> list[float]:
    """Bring `wanted` pages; return the seconds from each page's answer to the next one's request."""
    pages.wanted = wanted
    pages.asked_at.clear()
    jobs, store = holder(db, SOURCE)
    db["syncJobs"].delete_many({})
    ended: list[float] = []

    def fetch_page(cursor: str | None, window: Window) -> FetchPageResult:
        ended.append(time.perf_counter())
        return pages.fetch_page(cursor, window)

    process_sync_job(
        replace(SOURCE, first_span=CLOCK.now() - START),
        fetch_page=fetch_page,
        jobs=jobs,
        store=store,
        patience=endless(jobs),
        clock=CLOCK,
        backfill_start=START,
    )
    return [later - asked for asked, later in zip(pages.asked_at, ended[1:], strict=False)]


def _fill(db: Database[dict[str, Any]], number: int) -> dict[str, Any]:
    """Insert `number` contracts fast, every third of one buyer; return that buyer."""
    models = [
        {**each, "rawData": {"tag": each["rawData"].get("tag"), "title": each["title"]}}
        for each in db["contracts"].find().limit(1000)
    ]
    buyer_id = models[0]["buyerId"]
    for first in range(0, number, 2000):
        db["contracts"].insert_many(
            [
                models[n % len(models)]
                | {"_id": ObjectId(), "noticeId": f"filled-{n}", "ocid": f"ocds-filled-{n}"}
                | ({"buyerId": buyer_id} if n % 3 == 0 else {})
                for n in range(first, min(first + 2000, number))
            ],
            ordered=False,
        )
    db["buyers"].update_one({"_id": buyer_id}, {"$inc": {"contractCount": number // 3}})
    return db["buyers"].find_one({"_id": buyer_id}) or {}


def _job_size(db: Database[dict[str, Any]]) -> int:
    return len(bson.encode(db["syncJobs"].find_one() or {}))


def _resident() -> int:
    """Return this process's resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096
