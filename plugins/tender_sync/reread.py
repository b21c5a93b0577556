"""Reading out of turn: a replay reads a range again and writes what it finds, a dry run only says it.

Both read as the sync does, through the same feed and at the same pace, and neither moves the job: cursor, watermark
and status are the sync's. A replay holds the source's lease, so there is one writer; a dry run needs none.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tender_sync.engine import counts_said, read_range, window_said
from tender_sync.errors import EndRun, SkipRun, StopRun
from tender_sync.orders import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tender_sync.clock import Clock
    from tender_sync.engine import CommitsPages, FetchPage, RangeRead
    from tender_sync.jobs import SyncJobs
    from tender_sync.patience import Patience
    from tender_sync.sources import Source
    from tender_sync.store import MappedPage, Store
    from tender_sync.windows import Window

log = logging.getLogger(__name__)

# Less than the time after which a wait renews the lease, which a run that waits for it does not have.
_LOOK_AGAIN_SECONDS = 25.0
_NAMED_AT_MOST = 50


class InPlace:
    """Commits pages through `store` and leaves the job where it is."""

    def __init__(self, store: CommitsPages) -> None:
        self._store = store

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Commit it; see `store.Store.commit_page`."""
        return self._store.commit_page(replace(page, place=None))


class Foretold:
    """Commits nothing: counts what each page would change, and keeps the first notice ids of each kind.

    A notice met again counts as unchanged, as it would be. So every id is kept: a run of an hour reads some 36,000.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: set[str] = set()
        self.named: dict[str, list[str]] = {"created": [], "updated": [], "rejected": []}

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Compare the page with what is stored."""
        fates = self._store.foresee(page.contracts)
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


def replay(
    source: Source,
    window: Window,
    *,
    fetch_page: FetchPage,
    jobs: SyncJobs,
    store: CommitsPages,
    patience: Patience,
    clock: Clock,
    backfill_start: datetime,
    max_items_per_run: int | None = None,
) -> dict[str, Any]:
    """Read `window` again and commit what it holds; return the run's record.

    :raises StopRun: the API or MongoDB failed, or another run held the source for the whole time budget
    :raises SkipRun: the lease was taken over
    """
    with out_of_turn(source, jobs, patience, backfill_start, Mode.REPLAY):
        read = read_range(
            source,
            window,
            mode=Mode.REPLAY,
            fetch_page=fetch_page,
            store=InPlace(store),
            patience=patience,
            clock=clock,
            max_items_per_run=max_items_per_run,
        )
        record = jobs.end_run(read.outcome, counts=read.in_vain, **_range_facts(window, read))
    _say_end("replay", source, window, read)
    return record


def dry_run(
    source: Source,
    window: Window,
    *,
    fetch_page: FetchPage,
    store: Store,
    patience: Patience,
    clock: Clock,
    max_items_per_run: int | None = None,
) -> dict[str, Any]:
    """Read `window` and say what a replay of it would write; nothing is written but the pace of its requests.

    Returns what a run's record would hold, with the counts under `would` and the first ids of each kind.

    :raises StopRun: the API or MongoDB failed
    """
    foretold = Foretold(store)
    read = read_range(
        source,
        window,
        mode=Mode.DRY_RUN,
        fetch_page=fetch_page,
        store=foretold,
        patience=patience,
        clock=clock,
        max_items_per_run=max_items_per_run,
    )
    _say_end("dry run", source, window, read)
    for fate, names in foretold.named.items():
        if names:
            log.info("would be %s, the first %d: %s", fate, len(names), ", ".join(names))
    return {
        "source": source.name,
        "mode": str(Mode.DRY_RUN),
        "outcome": read.outcome,
        **_range_facts(window, read),
        "would": dict(read.counts),
        "named": foretold.named,
    }


@contextmanager
def out_of_turn(
    source: Source, jobs: SyncJobs, patience: Patience, backfill_start: datetime, mode: str
) -> Iterator[None]:
    """Hold the source's lease for the block, waiting for whoever has it: no later run would do this one's work.

    A failure is noted in the job's log and the run's record. The block ends the run.

    :raises StopRun: the lease was not to be had within the time budget
    """
    while True:
        try:
            jobs.get_or_create_sync_job(backfill_start)
            break
        except SkipRun as held:
            try:
                patience.wait(_LOOK_AGAIN_SECONDS, f"the lease ({held})")
            except EndRun as end:
                raise StopRun(f"{source.title}: the {mode} could not begin, nothing was done: {end}") from None
    try:
        yield
    except StopRun as failure:
        log.error("%s %s failed: %s", source.title, mode, failure)  # noqa: TRY400 - a traceback would hide the sentence
        jobs.mark_sync_error(str(failure))
        jobs.end_run("failed", counts={"requests": failure.requests}, error=str(failure))
        raise


def _range_facts(window: Window, read: RangeRead) -> dict[str, Any]:
    return {"range": {"from": window.start, "to": window.end}, "reached": read.reached}


def _say_end(what: str, source: Source, window: Window, read: RangeRead) -> None:
    log.info(
        "%s %s of %s ended (%s): %s", source.title, what, window_said(window), read.outcome, counts_said(read.counts)
    )
    if read.outcome != "done":
        log.warning(
            "the %s did not reach its end: trigger it again with window_from %s for the rest",
            what,
            f"{read.reached:%Y-%m-%dT%H:%M:%SZ}",
        )
