"""Reading out of turn: a replay reads a range again and writes what it finds, a dry run only says it.

Both read as the sync does, through the same feed and at the same pace, and neither moves the job: cursor, watermark
and status are the sync's. Nor does trying rejected releases again, which asks no API. Whoever writes holds the source's
lease, so there is one writer; a dry run needs none.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tender_sync.errors import FailRun, FinishEarly, SkipRun
from tender_sync.pipeline.engine import describe_counts, describe_window, map_releases, read_range
from tender_sync.pipeline.run_request import Mode
from tender_sync.storage.page_commit import MappedPage
from tender_sync.storage.rejected import releases_of
from tender_sync.storage.sync_jobs import read_job
from tender_sync.timestamps import whole_second
from tender_sync.windows import TimeRange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from tender_sync.pipeline.engine import CommitsPages, RangeRead
    from tender_sync.pipeline.run import Run
    from tender_sync.pipeline.run_request import RunRequest
    from tender_sync.sources.base import Source
    from tender_sync.storage.page_commit import Store

log = logging.getLogger(__name__)

# Less than the time after which a wait renews the lease, which a run that waits for it does not have.
_LOOK_AGAIN_SECONDS = 25.0
_NAMED_AT_MOST = 50
# Of documents that may be large.
_REJECTED_AT_ONCE = 20


class CommitWithoutProgress:
    """Commits pages through `store` and leaves the job where it is."""

    def __init__(self, store: CommitsPages) -> None:
        self._store = store

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Commit it; see `store.Store.commit_page`."""
        return self._store.commit_page(replace(page, position=None))


class DryRunRecorder:
    """Commits nothing: counts what each page would change, and keeps the first notice ids of each kind.

    A notice met again counts as unchanged, as it would be. So every id is kept: a run of an hour reads some 36,000.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: set[str] = set()
        self.named: dict[str, list[str]] = {"created": [], "updated": [], "rejected": []}

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Compare the page with what is stored."""
        fates = self._store.preview(page.contracts)
        created = self._new("created", fates.created)
        updated = self._new("updated", fates.updated + fates.remapped)
        self._name("rejected", [rejection.reason for rejection in page.rejections])
        return page.counts + Counter(
            fetched=len(page.contracts) + len(page.rejections),
            created=created,
            updated=updated,
            unchanged=len(page.contracts) - fates.doubled - created - updated,
            rejected=len(page.rejections),
            doubled=fates.doubled,
        )

    def _new(self, fate: str, ids: list[str]) -> int:
        met_first = [notice_id for notice_id in ids if notice_id not in self._written]
        self._written.update(met_first)
        self._name(fate, met_first)
        return len(met_first)

    def _name(self, fate: str, names: list[str]) -> None:
        kept = self.named[fate]
        kept += names[: _NAMED_AT_MOST - len(kept)]


def replay(run: Run, order: RunRequest) -> dict[str, Any]:
    """Read the range of `order` again and commit what it holds; return the run's record.

    :raises FailRun: the API or MongoDB failed, or another run held the source for the whole time budget
    :raises SkipRun: the lease was taken over
    """
    window = _range(run, order)
    with holding_lease(run, Mode.REPLAY):
        read = read_range(run, window, CommitWithoutProgress(run.store), mode=Mode.REPLAY, max_items=order.max_items)
        record = run.jobs.end_run(read.outcome, counts=read.uncommitted_counts, **_range_facts(window, read))
    _say_end("replay", run.source, window, read)
    return record


def dry_run(run: Run, order: RunRequest) -> dict[str, Any]:
    """Read a range and say what a replay of it would write; nothing is written but the pace of its requests.

    The range is that of `order`; without one, what a normal run would read now. Returns what a run's record would hold,
    with the counts under `would` and the first ids of each kind.

    :raises FailRun: the API or MongoDB failed
    """
    window, foretold = _range(run, order), DryRunRecorder(run.store)
    read = read_range(run, window, foretold, mode=Mode.DRY_RUN, max_items=order.max_items)
    _say_end("dry run", run.source, window, read)
    for fate, names in foretold.named.items():
        if names:
            log.info("would be %s, the first %d: %s", fate, len(names), ", ".join(names))
    return {
        "source": run.source.name,
        "mode": str(Mode.DRY_RUN),
        "outcome": read.outcome,
        **_range_facts(window, read),
        "would": dict(read.counts),
        "named": foretold.named,
    }


def replay_rejected(run: Run, order: RunRequest) -> dict[str, Any]:
    """Map every rejected release of a source again, commit those that can be contracts now; return the run's record.

    A page that was kept whole because it could not be decoded is parted into its releases if it can be decoded now.

    :raises FailRun: MongoDB failed, or another run held the source for the whole time budget
    """
    counts: Counter[str] = Counter()
    source, outcome = run.source, "done"
    with holding_lease(run, Mode.REPLAY_REJECTED):
        try:
            for documents in _batches(run.db, source):
                run.budget.check()
                if order.max_items is not None and counts["fetched"] >= order.max_items:
                    outcome = "item budget spent"
                    break
                for document in documents:
                    counts += _try_again(source, document, run.store)
        except FinishEarly as end:
            outcome = str(end)
        left = run.db["rejectedReleases"].count_documents({"source": source.name})
        record = run.jobs.end_run(outcome, left={"rejectedReleases": left})
    log.info(
        "%s rejected releases tried again (%s): %s; %d stay rejected",
        source.title,
        outcome,
        describe_counts(counts),
        left,
    )
    return record


def _batches(db: Database[dict[str, Any]], source: Source) -> Iterator[list[dict[str, Any]]]:
    """Go through those that are there now, by `_id`, as they are taken out on the way."""
    rejected = db["rejectedReleases"]
    last = rejected.find_one({"source": source.name}, {"_id": 1}, sort=[("_id", -1)])
    bounds: dict[str, Any] = {"$lte": last["_id"]} if last else {}
    while last and (
        found := list(rejected.find({"source": source.name, "_id": bounds}).sort("_id", 1).limit(_REJECTED_AT_ONCE))
    ):
        yield found
        bounds["$gt"] = found[-1]["_id"]


def _try_again(source: Source, document: dict[str, Any], store: Store) -> Counter[str]:
    """Commit what a rejected release is now, in a transaction of its own: where it is too large, it costs no other."""
    releases = releases_of(document)
    # What is rejected again stays as it is when it is the document's own content, and is kept anew as part of a page.
    contracts, rejections = map_releases(releases, source)
    settled = [document["_id"]] if contracts or len(releases) > 1 else []
    window = TimeRange(document["window"]["from"], document["window"]["to"])
    return store.commit_page(MappedPage(window=window, contracts=contracts, rejections=rejections, settled=settled))


@contextmanager
def holding_lease(run: Run, mode: str) -> Iterator[None]:
    """Hold the source's lease for the block, waiting for whoever has it: no later run would do this one's work.

    A failure is noted in the job's log and the run's record. The block ends the run.

    :raises FailRun: the lease was not to be had within the time budget
    """
    while True:
        try:
            run.jobs.get_or_create_sync_job(run.backfill_start)
            break
        except SkipRun as held:
            try:
                run.budget.wait(_LOOK_AGAIN_SECONDS, f"the lease ({held})")
            except FinishEarly as end:
                raise FailRun(f"{run.source.title}: the {mode} could not begin, nothing was done: {end}") from None
    try:
        yield
    except FailRun as failure:
        log.error("%s %s failed: %s", run.source.title, mode, failure)  # noqa: TRY400 - a traceback would hide the sentence
        run.jobs.mark_sync_error(str(failure))
        run.jobs.end_run("failed", counts={"requests": failure.requests}, error=str(failure))
        raise


def _range(run: Run, order: RunRequest) -> TimeRange:
    """Return the range asked for or, without one, what a normal run would read now."""
    if order.window:
        return order.window
    job, start = read_job(run.db, run.source), run.backfill_start
    if job:
        start = job.position.watermark - (timedelta() if job.backfilling else run.source.look_back)
    return TimeRange(start, whole_second(run.clock.now()))


def _range_facts(window: TimeRange, read: RangeRead) -> dict[str, Any]:
    return {"range": {"from": window.start, "to": window.end}, "reached": read.reached}


def _say_end(what: str, source: Source, window: TimeRange, read: RangeRead) -> None:
    log.info(
        "%s %s of %s ended (%s): %s",
        source.title,
        what,
        describe_window(window),
        read.outcome,
        describe_counts(read.counts),
    )
    if read.outcome != "done":
        log.warning(
            "the %s did not reach its end: trigger it again with window_from %s for the rest",
            what,
            f"{read.reached:%Y-%m-%dT%H:%M:%SZ}",
        )
