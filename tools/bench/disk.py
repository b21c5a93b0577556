"""Disk: the size of a contract with its rawData by compressor, and with rawData in a collection of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId

from tender_sync.sources import FIND_A_TENDER
from tender_sync.storage.schema import ensure_schema
from tools.bench.figures import ROUNDS, Figure, median_of, timed
from tools.bench.rig import mongo, ready_documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

PART = "disk"
COPIES = 5
_LIST = {"title": 1, "buyerName": 1, "status": 1, "deadlineDate": 1, "valueMax": 1}


def measure() -> Iterator[Figure]:
    """Write the same contracts three ways; the others are compared with snappy, MongoDB's default."""
    with mongo() as client:
        documents = ready_documents(FIND_A_TENDER)
        ways = {"snappy": ("snappy", False), "zstd": ("zstd", False), "zstd, rawData apart": ("zstd", True)}
        written: dict[str, list[float]] = {name: [] for name in ways}
        listed: dict[str, list[float]] = {name: [] for name in ways}
        sizes: dict[str, tuple[float, float]] = {}
        for round_ in range(ROUNDS):
            for name, (compressor, apart) in ways.items():
                db = _database(client[f"disk_{len(name)}_{round_}"], compressor)
                copies = [_copy(each, n) for n in range(COPIES) for each in documents]
                written[name].append(timed(lambda: _write(db, copies, apart=apart)))  # noqa: B023 - called at once
                listed[name].append(median_of(timed(lambda: _list(db)) for _ in range(ROUNDS)))  # noqa: B023
                client.admin.command("fsync")
                sizes[name] = _sizes(db, len(copies))
                client.drop_database(db.name)
        for name, (data, indexes) in sizes.items():
            note = f"indexes {indexes:,.0f} bytes"
            write, ask = (median_of(each[name]) / median_of(each["snappy"]) for each in (written, listed))
            yield Figure(PART, f"{name}: a contract's data on disk", data, "bytes", "", note)
            yield Figure(PART, f"{name}: data, by snappy's", data / sizes["snappy"][0])
            yield Figure(PART, f"{name}: time to write, by snappy's", write)
            yield Figure(PART, f"{name}: time to list 50 contracts, by snappy's", ask)


def _database(db: Database[dict[str, Any]], compressor: str) -> Database[dict[str, Any]]:
    engine = {"wiredTiger": {"configString": f"block_compressor={compressor}"}}
    for name in ("contracts", "rawReleases"):
        db.create_collection(name, storageEngine=engine)
    ensure_schema(db)
    return db


def _copy(document: dict[str, Any], number: int) -> dict[str, Any]:
    return document | {"_id": ObjectId(), "noticeId": f"{document['noticeId']}-{number}", "isLatest": True}


def _write(db: Database[dict[str, Any]], documents: list[dict[str, Any]], *, apart: bool) -> None:
    for first in range(0, len(documents), 100):
        batch = documents[first : first + 100]
        if apart:
            db["rawReleases"].insert_many([{"_id": each["_id"], "rawData": each["rawData"]} for each in batch])
            batch = [{name: value for name, value in each.items() if name != "rawData"} for each in batch]
        db["contracts"].insert_many(batch)


def _list(db: Database[dict[str, Any]]) -> None:
    """Do the query of the web app's list of live tenders."""
    found = db["contracts"].find({"isLatest": True, "status": "OPEN"}, _LIST).sort("deadlineDate", 1).limit(50)
    list(found)


def _sizes(db: Database[dict[str, Any]], number: int) -> tuple[float, float]:
    """Return bytes on disk for one contract: its data and its indexes."""
    stats = [db.command("collStats", name) for name in ("contracts", "rawReleases")]
    data, indexes = (sum(each[size] for each in stats) for size in ("storageSize", "totalIndexSize"))
    return data / number, indexes / number
