"""Creates the collections and the indexes that this package relies on."""

from collections.abc import Mapping
from typing import Any

from pymongo import DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from tender_sync.errors import FixSetup
from tender_sync.storage.migrations import migrate

_NAMESPACE_EXISTS = 48
# The first index of each collection makes replays safe.
INDEXES: Mapping[str, tuple[IndexModel, ...]] = {
    "contracts": (
        IndexModel(["source", "noticeId"], unique=True),
        IndexModel("buyerId"),  # counts a buyer's contracts
        IndexModel(["buyerKey", "buyerOrg"]),  # the ids published under a name
        IndexModel("ocid"),  # the notices of one procurement: its family
        IndexModel(["isLatest", "status", "deadlineDate"]),  # lists live tenders, soonest deadline first, unsorted
        IndexModel([("publishedDate", DESCENDING)]),
    ),
    "buyers": (
        IndexModel("orgId", unique=True),
        IndexModel([("contractCount", DESCENDING)]),  # the page in the UI shows the busiest
    ),
    "syncJobs": (IndexModel("source", unique=True),),
    "syncRuns": (
        IndexModel(["source", ("startedAt", DESCENDING)]),
        IndexModel(["source", "endedAt"]),  # each run looks for one that was killed
    ),
    "rejectedReleases": (
        IndexModel(["source", "contentHash"], unique=True),
        IndexModel(["source", "noticeId"]),
        IndexModel(["source", ("createdAt", DESCENDING)]),  # the page in the UI shows the latest
    ),
    "syncStats": (IndexModel(["source", "month"], unique=True),),
    "syncAudits": (IndexModel(["source", ("startedAt", DESCENDING)]),),
    **dict.fromkeys(("syncPace", "syncTurns", "syncRemaps", "syncSchema"), ()),
}


def ensure_schema(db: Database[dict[str, Any]]) -> None:
    """Create the collections and indexes that are missing, then bring older documents up to date.

    The same index under another name counts as there. Collections must exist before a transaction writes to them from
    two sides at once.

    :raises FixSetup: existing data or an existing index contradicts a unique index
    """
    existing = set(db.list_collection_names())
    for name, indexes in INDEXES.items():
        if name not in existing:
            _create_collection(db, name)
        there = {tuple(spec["key"].items()): bool(spec.get("unique")) for spec in db[name].list_indexes()}
        for index in indexes:
            keys = tuple(index.document["key"].items())
            if keys not in there:
                _create_index(db[name], index)
            elif index.document.get("unique") and not there[keys]:
                raise FixSetup(
                    f"collection {name!r} has an index on {_fields(index)} that is not unique; expected a unique one, "
                    "without which notices could be doubled. Drop that index; the next run creates it anew"
                )
    migrate(db)


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


def _create_index(collection: Collection[dict[str, Any]], index: IndexModel) -> None:
    try:
        collection.create_indexes([index])
    except DuplicateKeyError as error:
        raise FixSetup(
            f"collection {collection.name!r} holds documents with the same {_fields(index)}, so its unique index "
            f"cannot be made: {(error.details or {}).get('keyValue', error)}. Remove the doubles, then run again"
        ) from None


def _fields(index: IndexModel) -> str:
    return "+".join(index.document["key"])
