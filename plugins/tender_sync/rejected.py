"""The rejected releases, tried again with the mapper as it is now. No request is made."""

from __future__ import annotations

import json
import logging
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

from tender_sync.decoding import BrokenPackage, NotAPackage, decode_package
from tender_sync.engine import counts_said
from tender_sync.errors import EndRun, RejectedRelease
from tender_sync.ocds import map_ocds_to_contract
from tender_sync.orders import Mode
from tender_sync.reread import out_of_turn
from tender_sync.store import MappedPage, Rejection
from tender_sync.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from tender_sync.orders import Order
    from tender_sync.run import Run
    from tender_sync.sources import Source
    from tender_sync.store import Store

log = logging.getLogger(__name__)

# Of documents that may be large.
_BATCH = 20


def replay_rejected(run: Run, order: Order) -> dict[str, Any]:
    """Map every rejected release of a source again, commit those that can be contracts now; return the run's record.

    A page that was kept whole because it could not be decoded is parted into its releases if it can be decoded now.

    :raises StopRun: MongoDB failed, or another run held the source for the whole time budget
    """
    counts: Counter[str] = Counter()
    source, outcome = run.source, "done"
    with out_of_turn(run, Mode.REPLAY_REJECTED):
        try:
            for documents in _batches(run.db, source):
                run.patience.check()
                if order.max_items is not None and counts["fetched"] >= order.max_items:
                    outcome = "item budget spent"
                    break
                for document in documents:
                    counts += _try_again(source, document, run.store)
        except EndRun as end:
            outcome = str(end)
        left = run.db["rejectedReleases"].count_documents({"source": source.name})
        record = run.jobs.end_run(outcome, left={"rejectedReleases": left})
    log.info(
        "%s rejected releases tried again (%s): %s; %d stay rejected", source.title, outcome, counts_said(counts), left
    )
    return record


def _batches(db: Database[dict[str, Any]], source: Source) -> Iterator[list[dict[str, Any]]]:
    """Go through those that are there now, by `_id`, as they are taken out on the way."""
    rejected = db["rejectedReleases"]
    last = rejected.find_one({"source": source.name}, {"_id": 1}, sort=[("_id", -1)])
    bounds: dict[str, Any] = {"$lte": last["_id"]} if last else {}
    while last and (found := list(rejected.find({"source": source.name, "_id": bounds}).sort("_id", 1).limit(_BATCH))):
        yield found
        bounds["$gt"] = found[-1]["_id"]


def _try_again(source: Source, document: dict[str, Any], store: Store) -> Counter[str]:
    """Commit what a rejected release is now, in a transaction of its own: where it is too large, it costs no other."""
    releases = _releases(document)
    contracts, rejections = [], []
    for release in releases:
        try:
            contracts.append(map_ocds_to_contract(release, source.name))
        except RejectedRelease as rejected:
            # Kept as it is when it is the document's own content, as a new one when it was part of a page.
            rejections.append(Rejection(release, str(rejected)))
    settled = [document["_id"]] if contracts or len(releases) > 1 else []
    window = Window(document["window"]["from"], document["window"]["to"])
    return store.commit_page(MappedPage(window=window, contracts=contracts, rejections=rejections, settled=settled))


def _releases(document: dict[str, Any]) -> list[Any]:
    """Return the release of a document, or those of a page; none when it still cannot be decoded."""
    if "raw" in document:
        return [document["raw"]]
    body = zlib.decompress(document["rawZlib"])
    try:
        releases: list[Any] = decode_package(body)["releases"]
    except BrokenPackage:
        return []
    except NotAPackage:
        return _one_release(body)
    return releases


def _one_release(body: bytes) -> list[Any]:
    try:
        return [json.loads(body)]
    except ValueError:
        return []
