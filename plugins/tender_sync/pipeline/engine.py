"""The cursor-resume loop: windows of a source, page by page, from where the last run stopped up to now.

What it promises, and how: nothing counts as read before it is committed (the job moves in the page's transaction), so
a crash at any instant costs at most the page being read. A window is complete only on a believable end; an answer that
cannot be believed is committed all the same, and its window read again in halves.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from tender_sync.errors import FailRun, FinishEarly, ReadAgain, RejectedRelease, RetrySmallerWindow
from tender_sync.mapping.contract import map_ocds_to_contract
from tender_sync.storage.page_commit import MappedPage, Suspect
from tender_sync.storage.rejected import Rejection
from tender_sync.storage.sync_jobs import SYNCING, SyncJob
from tender_sync.timestamps import whole_second
from tender_sync.windows import (
    PageEnd,
    ReadPosition,
    TimeRange,
    after_page,
    close,
    from_its_start,
    halve_open_window,
    open_window,
    opened,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from tender_sync.api.client import FetchPageResult
    from tender_sync.clock import Clock
    from tender_sync.mapping.contract import MappedContract
    from tender_sync.pipeline.run import Run
    from tender_sync.run_budget import RunBudget
    from tender_sync.sources.base import Source
    from tender_sync.storage.page_commit import Store
    from tender_sync.storage.sync_jobs import SyncJobs
    from tender_sync.windows import OpenWindow

log = logging.getLogger(__name__)

# After this many runs in a row that could not get past a window: read it in halves; set it aside if it has none.
FAILURES_BEFORE_HALVING = 2
FAILURES_BEFORE_SETTING_ASIDE = 2
# Of two clocks further apart than this, one is wrong, and which cannot be told.
LARGEST_CLOCK_DIFFERENCE = timedelta(days=1)
WORTH_SAYING = timedelta(minutes=1)


class FetchPage(Protocol):
    """Fetches the page of a window at a cursor, or its first page (see `feed.PageClient.fetch_page`)."""

    def __call__(self, cursor: str | None, window: TimeRange) -> FetchPageResult:
        """Fetch it."""


class CommitsPages(Protocol):
    """Takes what a page became, and says how many releases were new, changed … (see `store.Store.commit_page`)."""

    def commit_page(self, page: MappedPage) -> Counter[str]:
        """Take it."""


@dataclass(frozen=True)
class RangeRead:
    """What reading a range did: its counts, why it ended, and how far everything was read (`reached`).

    `uncommitted_counts` counts what no commit has counted, like a run's that ends between two pages.
    """

    counts: Counter[str]
    uncommitted_counts: Counter[str]
    outcome: str
    reached: datetime


@dataclass(frozen=True)
class SyncResult:
    """What a run did: releases `fetched`, `errors` (rejected among them), and whether it reached its ceiling (`done`).

    `transition`: this run completed the source's backfill. `changed`: contracts created or updated. `outcome` says why
    it ended. `record` is the run's document in `syncRuns`.
    """

    fetched: int
    errors: int
    done: bool
    transition: bool
    changed: int
    outcome: str
    record: dict[str, Any]


def process_sync_job(
    source: Source,
    *,
    fetch_page: FetchPage,
    jobs: SyncJobs,
    store: Store,
    budget: RunBudget,
    clock: Clock,
    backfill_start: datetime,
    max_items_per_run: int | None = None,
) -> SyncResult:
    """Bring `source` forward: as far as the moment this run began, or as its budgets allow.

    `max_items_per_run` counts releases fetched and is checked between pages, so the last page may go over it.

    :raises SkipRun: another run holds, or took over, the lease
    :raises FailRun: the run failed; the job keeps its position and says why in `errorLog`
    """
    job = jobs.get_or_create_sync_job(backfill_start)
    walk = _Walk(source, job, fetch_page, store, budget, clock, ceiling=whole_second(clock.now()))
    try:
        walk.read_on(max_items_per_run)
    except FinishEarly as end:
        return _finish(walk, jobs, str(end), walk.uncommitted(end.requests), done=False)
    except FailRun as failure:
        log.error("%s run failed: %s", source.title, failure)  # noqa: TRY400 - a traceback would hide the sentence
        jobs.mark_sync_error(str(failure), position=walk.position, stuck=isinstance(failure, RetrySmallerWindow))
        jobs.end_run("failed", position=walk.position, counts=walk.uncommitted(failure.requests), error=str(failure))
        raise
    return _finish(walk, jobs, "done", walk.uncommitted(), done=True)


def read_range(
    run: Run, window: TimeRange, store: CommitsPages, *, mode: str, max_items: int | None = None
) -> RangeRead:
    """Read a range once more, as the sync reads it: window by window, the source's `first_span` the first.

    Where the source is does not matter and is not touched: what a page changes is `store`'s to say. A window that has
    no believable end is set aside at once, because nobody comes back to it by itself.

    :raises FailRun: the API or MongoDB failed
    """
    start = ReadPosition(watermark=window.start, span=run.source.first_span, reached=window.start)
    job = SyncJob(mode=mode, position=start, backfill_start=window.start, failures=0)
    walk = _Walk(
        run.source,
        job,
        run.fetch_page,
        store,
        run.budget,
        run.clock,
        ceiling=window.end,
        sets_aside_at_once=True,
    )
    try:
        walk.read_on(max_items)
    except FinishEarly as end:
        return RangeRead(walk.counts, walk.uncommitted(end.requests), str(end), walk.position.watermark)
    return RangeRead(walk.counts, walk.uncommitted(), "done", walk.position.watermark)


def _finish(walk: _Walk, jobs: SyncJobs, outcome: str, uncommitted_counts: Counter[str], *, done: bool) -> SyncResult:
    # Where a budget ends every run short of its ceiling, the history is read once the look-back covers what is left.
    caught_up = done or walk.ceiling - walk.position.watermark <= walk.source.look_back
    transition = jobs.mark_sync_complete() if caught_up else False
    record = jobs.end_run(outcome, position=walk.position, counts=uncommitted_counts)
    counts = walk.counts + uncommitted_counts
    log.info(
        "%s run ended (%s): %s; everything up to %s UTC is in%s",
        walk.source.title,
        outcome,
        describe_counts(counts),
        f"{walk.position.watermark:%Y-%m-%d %H:%M:%S}",
        "; the backfill is complete" if transition else "",
    )
    return SyncResult(
        fetched=counts["fetched"],
        errors=counts["rejected"],
        done=done,
        transition=transition,
        changed=counts["created"] + counts["updated"],
        outcome=outcome,
        record=record,
    )


@dataclass
class _Walk:
    """A run's way through the windows: `place` moves with every commit, `seen` are the cursors followed in this one.

    `resumed`: the open window's first pages were read by an earlier run.
    """

    source: Source
    job: SyncJob
    fetch_page: FetchPage
    store: CommitsPages
    budget: RunBudget
    clock: Clock
    ceiling: datetime
    sets_aside_at_once: bool = False
    position: ReadPosition = field(init=False)
    resumed: bool = field(init=False)
    seen: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.position = self.job.position
        self.resumed = self.position.cursor is not None

    def read_on(self, max_items: int | None) -> None:
        """Read pages until the ceiling is reached.

        :raises FinishEarly: a budget is spent, or the task was told to stop
        """
        if self.position.window and self.job.failures >= FAILURES_BEFORE_HALVING:
            self.position = halve_open_window(self.source, self.position) or from_its_start(self.position)
        while self._in_a_window():
            self.budget.check()
            if max_items is not None and self.counts["fetched"] >= max_items:
                raise FinishEarly("item budget spent")
            self._read_page()

    def _in_a_window(self) -> bool:
        if self.position.window is None:
            position = open_window(self.source, self.position, self.ceiling, look_back=not self.job.backfilling)
            if position is None:
                return False
            self.position, self.seen = position, set()
        return True

    def _read_page(self) -> None:
        window, cursor = opened(self.position), self.position.cursor
        try:
            page = self.fetch_page(cursor, window)
        except ReadAgain as doubt:
            self._read_again(doubt, page=None)
            return
        except RetrySmallerWindow as trouble:
            self._pass_by(trouble)
            return
        self._limit_ceiling_to_server_time(page)
        if cursor is not None:
            self.seen.add(cursor)
        end = PageEnd(len(page.releases), page.next_cursor, page.doubt, self.source.numbers(page.releases))
        try:
            position = after_page(self.source, self.position, end, self.seen, self.ceiling)
        except ReadAgain as doubt:
            self._read_again(doubt, page)
        else:
            self._commit(page, position)

    def _read_again(self, doubt: ReadAgain, page: FetchPageResult | None) -> None:
        """Keep what an unbelievable page held, and go back to its window's first page with a smaller window."""
        window = opened(self.position)
        smaller = doubt.position or halve_open_window(self.source, self.position)
        if smaller is not None:
            log.warning("window %s is read again in smaller pieces: %s", describe_window(window), doubt)
            self._commit(page, smaller, requests=doubt.requests)
        elif self.sets_aside_at_once or self.job.failures >= FAILURES_BEFORE_SETTING_ASIDE:
            self._set_aside(doubt, page)
        else:
            self._commit(page, from_its_start(self.position), requests=doubt.requests)
            raise RetrySmallerWindow(
                f"{self.source.title}: the smallest window {describe_window(window)} has no believable end: {doubt}. "
                f"What it held is committed; the next runs read it again, and run {FAILURES_BEFORE_SETTING_ASIDE + 1} "
                "in a row sets it aside in suspectWindows and goes on"
            )
        self.seen = set()

    def _pass_by(self, trouble: RetrySmallerWindow) -> None:
        """Set the smallest window aside that the API fails at time and again, while it answers elsewhere.

        :raises RetrySmallerWindow: it may yet be read, in smaller pieces or when the API is back
        """
        if self.job.failures < FAILURES_BEFORE_SETTING_ASIDE or halve_open_window(self.source, self.position):
            raise trouble
        elsewhere = opened(self.position).start - timedelta(days=1)
        try:
            answered = self.fetch_page(None, TimeRange(elsewhere, elsewhere + self.source.min_span))
        except (FailRun, ReadAgain) as error:
            trouble.requests += error.requests
            raise trouble from None
        doubt = ReadAgain(str(trouble))
        doubt.requests = trouble.requests + answered.requests
        self._set_aside(doubt, page=None)
        self.seen = set()

    def _set_aside(self, doubt: ReadAgain, page: FetchPageResult | None) -> None:
        window = opened(self.position)
        log.error("window %s is set aside as suspect: %s", describe_window(window), doubt)
        broken = [Rejection(doubt.body, f"undecodable page: {doubt}")] if doubt.body else []
        self._commit(page, close(self.source, self.position), broken, Suspect(window, str(doubt)), doubt.requests)

    def _commit(
        self,
        page: FetchPageResult | None,
        position: ReadPosition,
        broken: list[Rejection] | None = None,
        suspect: Suspect | None = None,
        requests: int = 0,
    ) -> None:
        window = opened(self.position)
        contracts, rejections = map_releases(page.releases if page else (), self.source)
        for rejection in rejections:
            log.warning("release rejected (kept in rejectedReleases): %s", rejection.reason)
        counts = self.uncommitted(page.requests if page else requests)
        counts.update(pages=1, windows=int(position.window is None), bytes=page.size if page else 0)
        counts = self.store.commit_page(
            MappedPage(
                window=window,
                contracts=contracts,
                rejections=[*rejections, *(broken or ())],
                position=position,
                counts=counts,
                suspect=suspect,
            )
        )
        if position.lossy and not self.position.lossy:
            longest = self.source.max_unproven_span
            log.error("%s hid releases in a long window: none over %s is asked for again", self.source.title, longest)
        if position.window is None:
            self.job = replace(self.job, failures=0)  # as the commit has set it
            if self._ended_at_a_present_long_past(window, position):
                # The next run will not look back so far for what was listed late.
                position = replace(position, reached=position.watermark - self.source.look_back)
        self.resumed = self.resumed and position.cursor is not None
        self.position = position
        self.counts.update(counts)
        self._say(window, counts)

    def _ended_at_a_present_long_past(self, window: TimeRange, position: ReadPosition) -> bool:
        """Say whether a window left open by an earlier run ended at that run's present, longer ago than a look-back."""
        long_past = self.resumed and position.reached == position.watermark < self.ceiling - self.source.look_back
        # A shorter window than was due ended at the moment its first page was read; any other of a backfill is old.
        return long_past and (not self.job.backfilling or window.end - window.start < self.position.span)

    def uncommitted(self, requests: int = 0) -> Counter[str]:
        """Count what no commit has counted yet: these `requests`, and the seconds waited since the last one."""
        return Counter(requests=requests, waitedSeconds=round(self.budget.waited) - self.counts["waitedSeconds"])

    def _say(self, window: OpenWindow, counts: Counter[str]) -> None:
        log.info(
            "page %d of %s: %d releases, %d new, %d changed, %d unchanged, %d rejected, %d doubled; %d kB",
            window.pages + 1,
            describe_window(window),
            *(counts[name] for name in ("fetched", "created", "updated", "unchanged", "rejected", "doubled")),
            counts["bytes"] // 1000,
        )
        if self.position.window is None:
            log.info("window %s complete after %d pages%s", describe_window(window), window.pages + 1, self._progress())

    def _progress(self) -> str:
        if self.job.mode == SYNCING:
            return ""
        whole = (self.ceiling - self.job.backfill_start).total_seconds() or 1.0
        share = (self.position.watermark - self.job.backfill_start).total_seconds() / whole
        return f"; {'backfill' if self.job.backfilling else self.job.mode} {share:.1%}"

    def _limit_ceiling_to_server_time(self, page: FetchPageResult) -> None:
        """Let the ceiling be no later than the server's own time, whose notices are all that can have been listed.

        :raises FailRun: this machine's clock is days ahead: a watermark by it would hide what is published until then
        """
        served_at = page.served_at
        if served_at is None:
            return
        ahead = self.clock.now() - served_at
        if ahead > LARGEST_CLOCK_DIFFERENCE:
            stop = FailRun(
                f"{self.source.title}: this machine's clock says {self.clock.now():%Y-%m-%d %H:%M:%S} UTC and the "
                f"server's {served_at:%Y-%m-%d %H:%M:%S}; expected less than a day between them. Correct this "
                "machine's clock, or look for a proxy that gives out old answers; nothing of the page was written"
            )
            stop.requests = page.requests
            raise stop
        if served_at < self.ceiling:
            if ahead > WORTH_SAYING:
                log.warning(
                    "this machine's clock is %.0f s ahead of the server's, whose time is used",
                    ahead.total_seconds(),
                )
            self.ceiling = served_at


def map_releases(releases: Iterable[object], source: Source) -> tuple[list[MappedContract], list[Rejection]]:
    """Return the contracts that releases of `source` become, and the rejections of those that become none."""
    contracts, rejections = [], []
    for release in releases:
        try:
            contracts.append(map_ocds_to_contract(release, source.name))
        except RejectedRelease as rejected:
            rejections.append(Rejection(release, str(rejected)))
    return contracts, rejections


def describe_counts(counts: Mapping[str, int]) -> str:
    """Say a run's counts in words."""
    return (
        "{fetched} fetched = {created} new + {updated} changed + {unchanged} unchanged + {rejected} rejected + "
        "{doubled} doubled; {requests} requests, {windows} windows, {waitedSeconds} s waited"
    ).format_map(Counter(counts))


def describe_window(window: TimeRange) -> str:
    """Say a window in words."""
    return f"[{window.start:%Y-%m-%d %H:%M:%S}, {window.end:%Y-%m-%d %H:%M:%S}]"
