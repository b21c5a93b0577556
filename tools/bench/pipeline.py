"""Pipeline: releases a second from the server to the commit without a pace, beside raw writes and reading alone."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import urlsplit

import bson
from pymongo import UpdateOne

from tender_sync.api.decoding import decode_package
from tender_sync.mapping.contract import MappedContract, map_ocds_to_contract
from tender_sync.pipeline.engine import process_sync_job
from tender_sync.sources import FIND_A_TENDER
from tender_sync.storage.page_commit import MappedPage
from tender_sync.windows import TimeRange, first_query
from tools.bench.figures import ROUNDS, Figure, median_of, timed
from tools.bench.rig import END, START, bench_run, fresh_database, holder, mongo, ocds_server, ready_documents
from tools.bench.stand_ins import MemoryJobs, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.providers.http.hooks.http import HttpHook
    from pymongo.database import Database

PART = "pipeline"
_BATCH = 100
SOURCE = FIND_A_TENDER


def measure() -> Iterator[Figure]:
    """Measure the floors and the whole, round by round; then the steps of a page."""
    with mongo() as client, ocds_server() as hook:
        documents = ready_documents(SOURCE)
        seconds: dict[str, list[float]] = {"write": [], "read": [], "whole": [], "unmapped": []}
        for _ in range(ROUNDS):
            db = fresh_database(client)
            seconds["write"].append(timed(lambda: _write(db, documents)))  # noqa: B023 - called at once
            seconds["read"].append(timed(lambda: _read(db, hook)))  # noqa: B023
            seconds["whole"].append(timed(lambda: _whole(db, hook)))  # noqa: B023
            _all_stored(db, documents)
            db = fresh_database(client)
            seconds["unmapped"].append(timed(lambda: _unmapped(db, hook, documents)))  # noqa: B023
            _all_stored(db, documents)
        write, read, whole, unmapped = (len(documents) / median_of(each) for each in seconds.values())
        yield Figure(PART, "raw bulk_write of ready documents, the same indexes", write, "releases/s", note="floor (a)")
        yield Figure(PART, "fetching and parsing alone", read, "releases/s", note="floor (b)")
        yield Figure(PART, "server to committed", whole, "releases/s")
        yield Figure(PART, "of the slower floor, as if all overlapped", whole / min(write, read), "", ">= 0.8")
        yield Figure(PART, "the same, were mapping to take no time", unmapped / min(write, read))
        yield Figure(PART, "of both floors one after the other", whole * (1 / write + 1 / read))
        page = _BATCH / whole
        yield Figure(PART, "of a page's slot of the pace, spent on it", page / SOURCE.pace, "", "", f"{page:.3f} s")
        yield from _split(fresh_database(client), hook)


def _write(db: Database[dict[str, Any]], documents: list[dict[str, Any]]) -> None:
    """Upsert ready documents as fast as MongoDB takes them, then empty the collection again."""
    for first in range(0, len(documents), _BATCH):
        upserts = [
            UpdateOne({"source": each["source"], "noticeId": each["noticeId"]}, {"$set": each}, upsert=True)
            for each in documents[first : first + _BATCH]
        ]
        db["contracts"].bulk_write(upserts, ordered=False)


def _read(db: Database[dict[str, Any]], hook: HttpHook) -> None:
    jobs: Any = MemoryJobs(SOURCE)
    store: Any = MemoryStore(jobs)
    with patch("tender_sync.pipeline.engine.map_ocds_to_contract", lambda release, _: {"noticeId": release["id"]}):
        _run(db, hook, jobs=jobs, store=store)


def _whole(db: Database[dict[str, Any]], hook: HttpHook) -> None:
    db["contracts"].delete_many({})
    _run(db, hook)


def _unmapped(db: Database[dict[str, Any]], hook: HttpHook, documents: list[dict[str, Any]]) -> None:
    """Do the whole with contracts mapped before: the time left is that of everything but the mapping."""
    ready = {each["noticeId"]: {name: each[name] for name in MappedContract.__annotations__} for each in documents}
    with patch("tender_sync.pipeline.engine.map_ocds_to_contract", lambda release, _: ready[release["id"]]):
        _whole(db, hook)


def _all_stored(db: Database[dict[str, Any]], documents: list[dict[str, Any]]) -> None:
    stored = db["contracts"].count_documents({})
    if stored != len(documents):
        raise SystemExit(f"the pipeline stored {stored} contracts of {len(documents)}: its speed means nothing")


def _run(db: Database[dict[str, Any]], hook: HttpHook, **parts: Any) -> None:
    logging.getLogger("airflow").setLevel(logging.ERROR)
    process_sync_job(bench_run(db, SOURCE, hook, **parts))


def _split(db: Database[dict[str, Any]], hook: HttpHook) -> Iterator[Figure]:
    """Walk all notices page by page, by hand, and time each step in CPU seconds of this process."""
    jobs, store = holder(db, SOURCE)
    position, window = jobs.get_or_create_sync_job(START).position, TimeRange(START, END)
    spent: Counter[str] = Counter()
    count, query = 0, first_query(SOURCE.windows, window)

    def step(name: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        done = work()
        spent[name] += time.process_time() - began  # type: ignore[assignment]
        return done

    while query:
        asked = f"{SOURCE.path}?{query}"
        body = step("fetch", lambda: hook.run(asked, extra_options={"check_response": False}).content)  # noqa: B023
        package = step("decode", lambda: decode_package(body))  # noqa: B023
        contracts = step("map", lambda: [map_ocds_to_contract(each, SOURCE.name) for each in package["releases"]])  # noqa: B023
        step("encode", lambda: [bson.encode(contract) for contract in contracts])  # noqa: B023
        step("write", lambda: store.commit_page(MappedPage(window=window, contracts=contracts, position=position)))  # noqa: B023
        count += len(contracts)
        query = urlsplit(package.get("links", {}).get("next", "")).query
    spent["write"] -= spent["encode"]
    for name, seconds in spent.items():
        yield Figure(PART, f"CPU for 10,000 releases: {name}", seconds * 10_000 / count, "s")
