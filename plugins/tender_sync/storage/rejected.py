"""Keeps rejected releases in `rejectedReleases`, and reads them back to be tried again."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from tender_sync.api.decoding import BrokenPackage, NotAPackage, decode_package
from tender_sync.clock import Clock
from tender_sync.errors import RejectedRelease
from tender_sync.mapping.bson_limits import MAX_BYTES, storable
from tender_sync.mapping.contract import LONGEST_ID
from tender_sync.mapping.json_access import identifier
from tender_sync.sources.base import Source
from tender_sync.windows import TimeRange

_LEVELS_KEPT = 200
# Documents read at once, which may be large.
_BATCH = 20


@dataclass(frozen=True)
class Rejection:
    """A release (or, as bytes, a whole page) that could not become a contract, and why."""

    raw: object
    reason: str


class RejectedReleases:
    """The rejected releases of `source` in `db`."""

    def __init__(self, db: Database[dict[str, Any]], source: Source, clock: Clock) -> None:
        self._rejected = db["rejectedReleases"]
        self._source = source
        self._clock = clock

    def keep(self, rejections: Iterable[Rejection], window: TimeRange, run_id: str, session: ClientSession) -> None:
        """Keep the rejections of a page of `window`; one that is kept already stays as it was first met."""
        found_in = {
            "source": self._source.name,
            "window": {"from": window.start, "to": window.end},
            "runId": run_id,
            "createdAt": self._clock.now(),
        }
        upserts = [
            UpdateOne({name: new[name] for name in ("source", "contentHash")}, {"$setOnInsert": new}, upsert=True)
            for new in (found_in | kept(rejection) for rejection in rejections)
        ]
        if upserts:
            self._rejected.bulk_write(upserts, ordered=False, session=session)

    def remove(self, keys: Sequence[Any], session: ClientSession) -> None:
        """Remove documents by their `_id`s."""
        if keys:
            self._rejected.delete_many({"_id": {"$in": keys}}, session=session)

    def remove_notices(self, notice_ids: Iterable[str], session: ClientSession) -> None:
        """Remove the rejected releases of notices that are contracts now."""
        mapped = {"source": self._source.name, "noticeId": {"$in": list(notice_ids)}}
        self._rejected.delete_many(mapped, session=session)


def kept(rejection: Rejection) -> dict[str, Any]:
    """Return the fields that are kept of a rejection: its content under `raw`, or compressed if BSON cannot hold it."""
    raw, body = rejection.raw, _bytes(rejection.raw)
    try:
        content = {"raw": storable(raw)} if not isinstance(raw, bytes) else _compressed(body)
    except RejectedRelease:
        content = _compressed(body)
    # The hash is of what is kept. That is read back when it is tried again, and if it fails it must not be kept twice.
    content_hash = hashlib.sha256(_bytes(content["raw"]) if "raw" in content else body).hexdigest()
    return {"noticeId": _notice_id(raw), "reason": rejection.reason, "contentHash": content_hash, **content}


def releases_of(document: dict[str, Any]) -> list[Any]:
    """Return the release that a document holds, or those of a whole page; none if it still cannot be decoded."""
    if "raw" in document:
        return [document["raw"]]
    body = zlib.decompress(document["rawZlib"])
    try:
        return list(decode_package(body)["releases"])
    except BrokenPackage:
        return []
    except NotAPackage:
        with suppress(ValueError):
            return [json.loads(body)]
    return []


def rejected_batches(db: Database[dict[str, Any]], source: Source) -> Iterator[list[dict[str, Any]]]:
    """Go by `_id`, a few documents at once, through those that are there now; some may leave on the way."""
    rejected = db["rejectedReleases"]
    last = rejected.find_one({"source": source.name}, {"_id": 1}, sort=[("_id", -1)])
    bounds: dict[str, Any] = {"$lte": last["_id"]} if last else {}
    while last and (found := list(rejected.find({"source": source.name, "_id": bounds}).sort("_id", 1).limit(_BATCH))):
        yield found
        bounds["$gt"] = found[-1]["_id"]


def count_rejected(db: Database[dict[str, Any]], source: Source) -> int:
    """Count the rejected releases of a source."""
    return db["rejectedReleases"].count_documents({"source": source.name})


def find_rejected(db: Database[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """Return the document with this id, None without one. `key` may be any text."""
    return db["rejectedReleases"].find_one({"_id": ObjectId(key)}) if ObjectId.is_valid(key) else None


def _notice_id(raw: object) -> str | None:
    """Return the id that a contract of this release would have; None if it has none."""
    try:
        notice_id = identifier(storable(raw["id"]))  # type: ignore[index]  # said by the except
    except (KeyError, TypeError, RejectedRelease):
        return None
    return notice_id if notice_id and len(notice_id) <= LONGEST_ID else None


def _compressed(body: bytes) -> dict[str, Any]:
    """Compress a body: all of it if a document can hold that, else its beginning and its length."""
    packed = zlib.compress(body)
    if len(packed) <= MAX_BYTES:
        return {"rawZlib": packed}
    return {"rawZlib": zlib.compress(body[:MAX_BYTES]), "rawBytes": len(body)}


def _bytes(raw: object) -> bytes:
    if isinstance(raw, bytes):
        return raw
    try:
        return json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
    except RecursionError:
        return _bytes(_pruned(raw, _LEVELS_KEPT))


def _pruned(value: object, levels: int) -> object:
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return f"cut here: nested more than {_LEVELS_KEPT} levels deep"
    if isinstance(value, list):
        return [_pruned(element, levels - 1) for element in value]
    return {key: _pruned(element, levels - 1) for key, element in value.items()}
