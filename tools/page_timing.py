"""Times the page with a million contracts: `make page-timing`, or `python -m tools.page_timing --contracts N`.

It fills a MongoDB of its own with small contracts and the package's indexes, starts Airflow's API server, and asks for
the page's JSON as a browser does: over HTTP, with a token that Airflow checks. Then it commits pages of new contracts,
to measure what keeping the counts costs.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from bson import ObjectId

from tender_sync.clock import SystemClock
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.mapping.cpv import CPV_SECTOR_MAP
from tender_sync.run_outcome import Outcome
from tender_sync.sources import SOURCES
from tender_sync.storage.contract_counts import ContractCounts
from tender_sync.storage.page_commit import MappedPage, Store
from tender_sync.storage.schema import ensure_schema
from tender_sync.storage.sync_jobs import SyncJobs
from tender_sync.windows import OpenWindow
from tools.airflow_ui import API_SERVER, Ui
from tools.local_json import ask
from tools.mongod import free_port
from tools.options import Options
from tools.processes import Stopped, become_worker, end_descendants
from tools.stack import Failed, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo.database import Database

    from tender_sync.sources.base import Source
    from tools.stack import Stack

_BATCH = 10_000
_BUYERS = 60_000
_RUNS = 2 * 365 * 24
_REJECTED = 5_000
_REQUESTS = 200
_PAGES = 50
_SECTORS = (*sorted(set(CPV_SECTOR_MAP.values())), None)
_STAGES, _STATUSES = ("PLANNING", "TENDER", "AWARD"), ("OPEN", "CLOSED", "AWARDED", "CANCELLED")
# Only the API server is started, no DAG runs, and the local OCDS server has next to nothing.
_NOTHING: dict[str, Any] = {"releases": None, "days": 1.0, "per_day": 1.0, "budget": 0}


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tools.page_timing", description=__doc__)
    parser.add_argument("--contracts", type=int, default=1_000_000, metavar="N", help="how many are stored (a million)")
    contracts = parser.parse_args().contracts
    try:
        become_worker()
        with tempfile.TemporaryDirectory(prefix="tender-page-") as folder:
            options = Options(show="ui", folder=Path(folder), **_NOTHING)
            with running_stack(options) as stack:
                _fill(stack.db, contracts)
                _ask(stack)
                _commit(stack.db)
    except Stopped as stopped:
        return stopped.exit_code
    except Failed as failure:
        print(f"FAILED: {failure}")
        return 1
    finally:
        end_descendants()
    return 0


def _fill(db: Database[dict[str, Any]], contracts: int) -> None:
    luck, now = random.Random(7), datetime.now(UTC)
    buyers = [ObjectId() for _ in range(_BUYERS)]
    held: Counter[ObjectId] = Counter()
    for source in SOURCES.values():
        share = contracts // len(SOURCES)
        _insert(db, "contracts", (_contract(source, number, luck, now, buyers, held) for number in range(share)))
        _insert(db, "syncRuns", (_run(source, number, now) for number in range(_RUNS)))
        _insert(db, "rejectedReleases", (_rejected(source, number, now) for number in range(_REJECTED)))
    _insert(db, "buyers", (_buyer(number, key, held[key]) for number, key in enumerate(buyers)))
    ensure_schema(db)
    clock = SystemClock()
    for source in SOURCES.values():
        jobs = SyncJobs(db, source, clock, owner="timing", run_id="timing")
        jobs.get_or_create_sync_job(source.history_start)
        jobs.mark_sync_complete()
        jobs.end_run(Outcome.DONE)
    months, seconds = _timed(lambda: sum(ContractCounts(db, source).recount() for source in SOURCES.values()))
    print(
        f"{contracts:,} contracts of {_BUYERS:,} buyers, counted anew by day, stage and sector in {seconds:.0f} s: "
        f"{months} documents",
        flush=True,
    )


def _insert(db: Database[dict[str, Any]], name: str, documents: Iterator[dict[str, Any]]) -> None:
    batch: list[dict[str, Any]] = []
    for document in documents:
        batch.append(document)
        if len(batch) == _BATCH:
            db[name].insert_many(batch, ordered=False)
            batch = []
    if batch:
        db[name].insert_many(batch, ordered=False)


def _contract(
    source: Source, number: int, luck: random.Random, now: datetime, buyers: list[ObjectId], held: Counter[ObjectId]
) -> dict[str, Any]:
    published = source.history_start + luck.random() * (now - source.history_start)
    # Some buyers have far more than others.
    buyer = buyers[int(_BUYERS * luck.random() ** 3)]
    held[buyer] += 1
    return {
        "source": source.name,
        "noticeId": f"{number:06}-{published.year}",
        "ocid": f"ocds-h6vhtk-{number:06x}",
        "title": f"Contract {number}",
        "stage": luck.choice(_STAGES),
        "status": luck.choice(_STATUSES),
        "sector": luck.choice(_SECTORS),
        "buyerId": buyer,
        "publishedDate": published,
        "deadlineDate": published + timedelta(days=30),
        "isLatest": True,
    }


def _buyer(number: int, key: ObjectId, contracts: int) -> dict[str, Any]:
    return {"_id": key, "orgId": f"org-{number}", "name": f"Council {number}", "contractCount": contracts}


def _run(source: Source, number: int, now: datetime) -> dict[str, Any]:
    counts = {"fetched": 60, "created": 30, "updated": 10, "unchanged": 19, "rejected": 1, "requests": 4}
    began = now - timedelta(hours=number + 1)
    ended = {"endedAt": began + timedelta(minutes=1), "outcome": "done", "watermark": began, "mode": "syncing"}
    return {"source": source.name, "runId": f"run-{number}", "startedAt": began, "waitedSeconds": 30} | ended | counts


def _rejected(source: Source, number: int, now: datetime) -> dict[str, Any]:
    key = hashlib.sha256(f"{source.name} {number}".encode()).hexdigest()
    kept = {"noticeId": f"rejected-{number}", "reason": "it has no date", "raw": {"id": number, "text": "x" * 2000}}
    return {"source": source.name, "contentHash": key, "createdAt": now - timedelta(minutes=number)} | kept


def _ask(stack: Stack) -> None:
    ui = Ui(stack, {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}, free_port())
    ui.start(API_SERVER)
    ui.await_health("metadatabase")
    sent = {"Authorization": f"Bearer {ask('GET', f'{ui.address}/auth/token')['access_token']}"}
    connection = http.client.HTTPConnection("127.0.0.1", ui.port, timeout=30)
    sizes = set()

    def ask_page() -> None:
        connection.request("GET", "/tender-sync/api/overview", headers=sent)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise Failed(f"the page answered {answer.status}: {body[:300]!r}")
        sizes.add(len(body))

    first, *others = [_timed(ask_page)[1] * 1000 for _ in range(_REQUESTS)]
    connection.close()
    print(
        f"the page's JSON, {max(sizes) / 1000:.0f} kB, {_REQUESTS} times one after another: the first {first:.0f} ms, "
        f"then median {median(others):.0f} ms, 95 % within {quantiles(others, n=20)[18]:.0f} ms, longest "
        f"{max(others):.0f} ms",
        flush=True,
    )


def _commit(db: Database[dict[str, Any]]) -> None:
    source, clock = SOURCES["FIND_A_TENDER"], SystemClock()
    jobs = SyncJobs(db, source, clock, owner="timing", run_id="commits")
    position = jobs.get_or_create_sync_job(source.history_start).position
    store = Store(db, source, jobs, clock)
    counting: list[float] = []
    move = store.contracts._counts.move  # noqa: SLF001 - what is measured

    def timed_move(*arguments: Any) -> None:
        counting.append(_timed(lambda: move(*arguments))[1] * 1000)

    store.contracts._counts.move = timed_move  # type: ignore[assignment, method-assign]  # noqa: SLF001 - the same
    window = OpenWindow(datetime.now(UTC) - timedelta(hours=6), datetime.now(UTC))
    pages = []
    for number in range(_PAGES):
        contracts = [map_ocds_to_contract(_release(number, n), source.name) for n in range(source.windows.page_size)]
        page = MappedPage(
            window=window,
            contracts=contracts,
            position=replace(position, open_window=window),
            counts=Counter(pages=1),
        )
        pages.append(_timed(partial(store.commit_page, page))[1] * 1000)
    jobs.end_run(Outcome.DONE)
    print(
        f"a page of {source.windows.page_size} new contracts is committed in {median(pages):.0f} ms (median of "
        f"{_PAGES}), of which {median(counting):.1f} ms keep the counts"
    )


def _release(page: int, number: int) -> dict[str, Any]:
    notice_id, key = f"new-{page}-{number}", f"GB-PPON-{number % 40}"
    date = datetime.now(UTC) - timedelta(minutes=number)
    return {
        "ocid": f"ocds-h6vhtk-{notice_id}",
        "id": notice_id,
        "date": date.isoformat(),
        "tag": ["tender"],
        "tender": {"title": "x" * 100, "status": "active", "description": "y" * 2000},
        "parties": [{"id": key, "name": f"Council {key}", "roles": ["buyer"]}],
    }


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = action()
    return result, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
