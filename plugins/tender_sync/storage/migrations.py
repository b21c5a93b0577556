"""Brings a database that an older version has written up to date, step by step.

`syncSchema` holds one document, `{_id: "version", version: n}`: how many of `_STEPS` are done. It is written after each
step, so a step that is cut short is done again. Every step may be done twice, by two runs at once, and beside running
syncs.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from pymongo.database import Database

from tender_sync.sources import SOURCES
from tender_sync.storage.contract_counts import ContractCounts

log = logging.getLogger(__name__)

_VERSION = {"_id": "version"}


def migrate(db: Database[dict[str, Any]]) -> None:
    """Do the steps that `db` lacks; in one that is up to date this is one read of one small document."""
    schema = db["syncSchema"]
    done = (schema.find_one(_VERSION) or {}).get("version", 0)
    for version, step in list(enumerate(_STEPS, start=1))[done:]:
        step(db)
        # $max, because another run may be ahead of this one.
        schema.update_one(_VERSION, {"$max": {"version": version}}, upsert=True)
        log.info("the database is at version %d of its schema", version)


def _count_contracts(db: Database[dict[str, Any]]) -> None:
    """Count contracts that were stored before counts by day, stage and sector were kept.

    Older versions marked a source as counted by a document of the month "mark"; that is no month, and goes.
    """
    for source in SOURCES.values():
        marked = db["syncStats"].find_one({"source": source.name, "month": "mark"})
        if marked is None:
            ContractCounts(db, source).recount()
    db["syncStats"].delete_many({"source": {"$in": list(SOURCES)}, "month": "mark"})


_STEPS: Sequence[Callable[[Database[dict[str, Any]]], None]] = (_count_contracts,)
