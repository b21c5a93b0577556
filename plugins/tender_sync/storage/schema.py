"""The collections and the indexes this package relies on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from tender_sync.errors import FixSetup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymongo.collection import Collection
    from pymongo.database import Database

_NAMESPACE_EXISTS = 48
UNIQUE = True
# collection → (keys, unique); the first key lists of each are what makes replays safe.
INDEXES: Mapping[str, tuple[tuple[tuple[tuple[str, int], ...], bool], ...]] = {
    "contracts": (
        ((("source", ASCENDING), ("noticeId", ASCENDING)), UNIQUE),
        ((("buyerId", ASCENDING),), not UNIQUE),  # counts a buyer's contracts
        ((("buyerKey", ASCENDING), ("buyerOrg", ASCENDING)), not UNIQUE),  # the ids published under a name
        ((("ocid", ASCENDING),), not UNIQUE),  # the notices of one procurement: its family
        # The list of live tenders, soonest deadline first; filters need no sort in memory.
        ((("isLatest", ASCENDING), ("status", ASCENDING), ("deadlineDate", ASCENDING)), not UNIQUE),
        ((("publishedDate", DESCENDING),), not UNIQUE),
    ),
    "buyers": (
        ((("orgId", ASCENDING),), UNIQUE),
        ((("contractCount", DESCENDING),), not UNIQUE),  # the page in the UI shows the busiest
    ),
    "syncJobs": (((("source", ASCENDING),), UNIQUE),),
    "syncRuns": (
        ((("source", ASCENDING), ("startedAt", DESCENDING)), not UNIQUE),
        ((("source", ASCENDING), ("endedAt", ASCENDING)), not UNIQUE),  # each run looks for one that was killed
    ),
    "rejectedReleases": (
        ((("source", ASCENDING), ("contentHash", ASCENDING)), UNIQUE),
        ((("source", ASCENDING), ("noticeId", ASCENDING)), not UNIQUE),
        ((("source", ASCENDING), ("createdAt", DESCENDING)), not UNIQUE),  # the page in the UI shows the latest
    ),
    "syncStats": (((("source", ASCENDING), ("month", ASCENDING)), UNIQUE),),
    "syncAudits": (((("source", ASCENDING), ("startedAt", DESCENDING)), not UNIQUE),),
    "syncPace": (),
    "syncTurns": (),
    "syncRemaps": (),
}


def ensure_schema(db: Database[dict[str, Any]]) -> None:
    """Create what is missing of the collections and indexes; the same index under another name counts as there.

    Collections must exist before a transaction writes to them from two sides at once.

    :raises FixSetup: existing data or an existing index contradicts a unique index
    """
    existing = set(db.list_collection_names())
    for name, indexes in INDEXES.items():
        if name not in existing:
            _create_collection(db, name)
        there = {tuple(spec["key"].items()): bool(spec.get("unique")) for spec in db[name].list_indexes()}
        for keys, unique in indexes:
            if keys not in there:
                _create_index(db[name], keys, unique=unique)
            elif unique and not there[keys]:
                raise FixSetup(
                    f"collection {name!r} has an index on {_said(keys)} that is not unique; expected a unique one, "
                    "without which notices could be doubled. Drop that index; the next run creates it anew"
                )


def _create_collection(db: Database[dict[str, Any]], name: str) -> None:
    """Create a collection compressed by zstd: real notices take 0.62 of their size by default (docs/PERFORMANCE.md)."""
    zstd: dict[str, Any] = {"storageEngine": {"wiredTiger": {"configString": "block_compressor=zstd"}}}
    for options in (zstd, {}):  # a hosted MongoDB may not let its storage be chosen
        try:
            db.create_collection(name, check_exists=False, **options)
        except OperationFailure as error:
            if error.code == _NAMESPACE_EXISTS:
                return  # the other source's first run was faster
            if not options:
                raise
        else:
            return


def _create_index(collection: Collection[dict[str, Any]], keys: tuple[tuple[str, int], ...], *, unique: bool) -> None:
    try:
        collection.create_indexes([IndexModel(list(keys), unique=unique)])
    except DuplicateKeyError as error:
        raise FixSetup(
            f"collection {collection.name!r} holds documents with the same {_said(keys)}, so its unique index cannot "
            f"be made: {(error.details or {}).get('keyValue', error)}. Remove the doubles, then run again"
        ) from None


def _said(keys: tuple[tuple[str, int], ...]) -> str:
    return "+".join(name for name, _ in keys)
