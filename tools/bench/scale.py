"""Scale: twelve sources at once, each a process that commits pages of the same organisations as fast as it can.

There is no API to wait for, and pages are mapped before the time counts. So the figures show MongoDB's own limit: the
pages of all sources take turns there (`page_commit.Store`).
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.sources import CONTRACTS_FINDER
from tender_sync.storage.page_commit import MappedPage
from tender_sync.windows import TimeRange
from tools.bench.figures import Figure
from tools.bench.rig import END, START, fresh_database, holder, mongo, opened, releases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

PART = "scale"
PAGE, PAGES = 100, 12
MANY = 12


class Aborts(CommandListener):
    """Counts the transactions aborted because another source's page came first."""

    def __init__(self) -> None:
        self.seen = 0

    def started(self, event: CommandStartedEvent) -> None:
        """Count it."""
        self.seen += event.command_name == "abortTransaction"

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Note nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Note nothing."""


def measure() -> Iterator[Figure]:
    """Measure one source alone, then many together."""
    with mongo() as client:
        rates = {}
        for writers in (1, MANY):
            fresh_database(client)
            host, port = client.address or ("", 0)
            with ProcessPoolExecutor(writers, mp_context=get_context("spawn")) as pool:
                done = list(pool.map(_bring_pages, [f"mongodb://{host}:{port}"] * writers, range(writers)))
            seconds = max(ended for _, ended, _ in done) - min(began for began, _, _ in done)
            rates[writers] = writers * PAGES / seconds
            again = sum(aborted for _, _, aborted in done) / (writers * PAGES)
            yield Figure(PART, f"pages committed by {writers} at once", rates[writers], "pages/s")
            yield Figure(PART, "transactions begun again, for each page", again)
        asked = MANY / CONTRACTS_FINDER.pace
        yield Figure(PART, f"what {MANY} paced backfills commit, of that", asked / rates[MANY], "", "<= 0.5")


def _bring_pages(uri: str, number: int) -> tuple[float, float, int]:
    """Commit pages of one source; return when it began and ended, and how often a transaction began again."""
    source, aborts = replace(CONTRACTS_FINDER, name=f"SOURCE_{number}"), Aborts()
    contracts: list[Any] = [map_ocds_to_contract(each, CONTRACTS_FINDER.name) for each in releases(CONTRACTS_FINDER)]
    with MongoClient[dict[str, Any]](uri, tz_aware=True, event_listeners=[aborts]) as client:
        jobs, store = holder(opened(client), source)
        position, window = jobs.get_or_create_sync_job(START).position, TimeRange(START, END)
        began = time.time()
        for page in range(PAGES):
            own: list[Any] = [
                {**each, "source": source.name, "noticeId": f"{page}-{each['noticeId']}"}
                for each in contracts[page * PAGE : (page + 1) * PAGE]
            ]
            store.commit_page(MappedPage(window=window, contracts=own, position=position))
        return began, time.time(), aborts.seen
