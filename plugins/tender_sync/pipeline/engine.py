"""The cursor-resume loop: windows of a source, page by page, from where the last run stopped up to now.

Nothing counts as read before it is committed: the job moves in the page's transaction. So a crash at any instant costs
at most the page being read. A window is complete only on a believable end. An answer that cannot be believed is
committed all the same, and its window is read again in halves.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tender_sync.api.client import FetchPageResult
from tender_sync.errors import FailRun, FinishEarly, ReadAgain, RejectedRelease, RetrySmallerWindow
from tender_sync.mapping.contract import MappedContract, map_ocds_to_contract
from tender_sync.number_proof import notice_numbers
from tender_sync.pipeline.run import CommitPage, Run
from tender_sync.run_meter import RELEASE_COUNTERS, describe_counts
from tender_sync.run_outcome import Outcome
from tender_sync.sources.base import Source
from tender_sync.storage.page_commit import MappedPage
from tender_sync.storage.rejected import Rejection
from tender_sync.timestamps import whole_second
from tender_sync.windows import (
    Distrusted,
    OpenWindow,
    PageEnd,
    ReadPosition,
    TimeRange,
    WindowRules,
    after_page,
    close_window,
    halve_open_window,
    open_next_window,
    restart_open_window,
)

log = logging.getLogger(__name__)

# So many runs in a row did not get past a window: read it in halves, or set it aside where it cannot be halved.
FAILURES_BEFORE_HALVING = 2
FAILURES_BEFORE_SETTING_ASIDE = 2
# If two clocks are further apart than this, one is wrong, and there is no telling which.
LARGEST_CLOCK_DIFFERENCE = timedelta(days=1)
_LOG_CLOCK_DIFFERENCE = timedelta(minutes=1)


@dataclass(frozen=True)
class RangeRead:
    """What reading a range came to: why it ended, and how far everything was read (`reached`)."""

    outcome: Outcome
    reason: str
    reached: datetime


@dataclass(frozen=True)
class SyncResult:
    """What a run did: releases `fetched`, `errors` (rejected releases), and whether it reached its ceiling (`done`).

    `transition`: this run completed the source's backfill. `changed` counts contracts created or updated. `outcome`
    says why it ended. `record` is the run's document in `syncRuns`.
    """

    fetched: int
    errors: int
    done: bool
    transition: bool
    changed: int
    outcome: Outcome
    record: dict[str, Any]


def process_sync_job(run: Run, max_items_per_run: int | None = None) -> SyncResult:
    """Bring a source forward: up to the moment this run began, or as far as its budgets allow.

    `max_items_per_run` counts releases fetched. It is checked between pages, so the last page may go over it.

    :raises SkipRun: another run holds, or has taken over, the lease
    :raises FailRun: the run failed; the job keeps its position and says why in `errorLog`
    """
    job = run.jobs.get_or_create_sync_job(run.backfill_start)
    walk = Walk(
        run,
        run.source.windows,
        run.store.commit_page,
        job.position,
        ceiling=whole_second(run.clock.now()),
        begins=job.backfill_start,
        told_as="backfill" if job.backfilling else "",
        looks_back=not job.backfilling,
        failures=job.failures,
    )
    with run.recording_failure("run", lambda: walk.position):
        outcome, reason = walk.read_on(max_items_per_run)
        # Where a budget ends every run short of its ceiling, the history is read once the look-back covers the rest.
        caught_up = walk.ceiling - walk.position.watermark <= run.source.windows.look_back
        transition = run.jobs.mark_sync_complete() if outcome is Outcome.DONE or caught_up else False
        uncommitted = run.meter.uncommitted()
        record = run.jobs.end_run(outcome, reason, position=walk.position, counts=uncommitted)
    counts = run.meter.total + uncommitted
    log.info(
        "%s run ended (%s): %s; everything up to %s UTC is in%s",
        run.source.title,
        f"{outcome}: {reason}" if reason else outcome,
        describe_counts(counts),
        f"{walk.position.watermark:%Y-%m-%d %H:%M:%S}",
        "; the backfill is complete" if transition else "",
    )
    return SyncResult(
        fetched=counts["fetched"],
        errors=counts["rejected"],
        done=outcome is Outcome.DONE,
        transition=transition,
        changed=counts["created"] + counts["updated"],
        outcome=outcome,
        record=record,
    )


def read_range(
    run: Run,
    time_range: TimeRange,
    commit: CommitPage,
    *,
    told_as: str,
    rules: WindowRules | None = None,
    max_items: int | None = None,
) -> RangeRead:
    """Read a range once more, as the sync reads it: window by window, the first of them `first_span` long.

    Where the source is does not matter and is not touched: what a page changes is up to `commit`. A window that has no
    believable end is set aside at once, because nobody comes back to it by itself. `rules` are the source's own where
    none are given.
    """
    rules = rules or run.source.windows
    walk = Walk(
        run,
        rules,
        commit,
        ReadPosition(watermark=time_range.start, next_span=rules.first_span, reached=time_range.start),
        ceiling=time_range.end,
        begins=time_range.start,
        told_as=told_as,
        sets_aside_at_once=True,
    )
    outcome, reason = walk.read_on(max_items)
    return RangeRead(outcome, reason, walk.position.watermark)


@dataclass
class Walk:
    """Reads windows under `rules`, from `position` up to `ceiling`; `position` moves with every commit.

    `begins` is where the whole range begins, of which the log tells how much is read, as a share of `told_as` (empty:
    not at all). `looks_back`: the first window begins before the watermark, for what was listed late. `failures` counts
    the runs in a row that did not get past the open window. `sets_aside_at_once`: no later run comes back to a window.
    """

    run: Run
    rules: WindowRules
    commit: CommitPage
    position: ReadPosition
    ceiling: datetime
    begins: datetime
    told_as: str
    looks_back: bool = False
    failures: int = 0
    sets_aside_at_once: bool = False
    # The cursors followed in the open window, and whether an earlier run read its first pages.
    _followed: set[str] = field(default_factory=set)
    _resumed: bool = field(init=False)

    def __post_init__(self) -> None:
        self._resumed = self.position.cursor is not None

    def read_on(self, max_items: int | None) -> tuple[Outcome, str]:
        """Read pages until the ceiling is reached or a budget is spent; return how it ended, and the reason."""
        if self.position.open_window and self.failures >= FAILURES_BEFORE_HALVING:
            self.position = halve_open_window(self.rules, self.position) or restart_open_window(self.position)
        try:
            while self.position.open_window or self._open_next_window():
                self.run.budget.check()
                if max_items is not None and self.run.meter.total["fetched"] >= max_items:
                    return Outcome.ITEM_BUDGET_SPENT, ""
                self._read_page()
        except FinishEarly as end:
            return end.outcome, end.reason
        return Outcome.DONE, ""

    def _open_next_window(self) -> bool:
        """Open the next window; return False when everything up to the ceiling is read."""
        opened = open_next_window(self.rules, self.position, self.ceiling, look_back=self.looks_back)
        self.position, self._followed = opened or self.position, set()
        return opened is not None

    def _read_page(self) -> None:
        cursor = self.position.cursor
        try:
            page = self.run.fetch_page(cursor, self.position.window)
        except ReadAgain as unusable:
            self._read_again(Distrusted(str(unusable)), body=unusable.body)
            return
        except RetrySmallerWindow as failure:
            self._set_aside_where_only_this_window_fails(failure)
            return
        if page.served_at is not None:
            self._limit_ceiling_to_server_time(page.served_at)
        if cursor is not None:
            self._followed.add(cursor)
        numbers = notice_numbers(self.run.source.notice_number, page.releases)
        end = PageEnd(len(page.releases), page.next_cursor, page.link_problem, numbers)
        after = after_page(self.rules, self.position, end, self._followed, self.ceiling)
        if isinstance(after, Distrusted):
            self._read_again(after, page)
        else:
            self._commit(page, after)

    def _read_again(self, distrusted: Distrusted, page: FetchPageResult | None = None, body: bytes = b"") -> None:
        """Keep what a distrusted page held, and go back to its window's first page with a smaller window."""
        window, reason = self.position.window, distrusted.reason
        smaller = distrusted.go_on_at or halve_open_window(self.rules, self.position)
        if smaller is not None:
            log.warning("window %s is read again in smaller pieces: %s", window, reason)
            self._commit(page, smaller)
        elif self.sets_aside_at_once or self.failures >= FAILURES_BEFORE_SETTING_ASIDE:
            self._set_aside(reason, page, body)
        else:
            self._commit(page, restart_open_window(self.position))
            raise RetrySmallerWindow(
                f"{self.run.source.title}: the smallest window {window} has no believable end: {reason}. What it held "
                f"is committed; the next runs read it again, and run {FAILURES_BEFORE_SETTING_ASIDE + 1} in a row sets "
                "it aside in suspectWindows and goes on"
            )
        self._followed = set()

    def _set_aside_where_only_this_window_fails(self, failure: RetrySmallerWindow) -> None:
        """Set the smallest window aside that the API fails at time and again, while it answers elsewhere.

        Raise the failure where the window may yet be read, in smaller pieces or when the API is back.
        """
        if self.failures < FAILURES_BEFORE_SETTING_ASIDE or halve_open_window(self.rules, self.position):
            raise failure
        elsewhere = self.position.window.start - timedelta(days=1)
        try:
            self.run.fetch_page(None, TimeRange(elsewhere, elsewhere + self.rules.min_span))
        except (FailRun, ReadAgain):
            raise failure from None
        self._set_aside(str(failure), page=None)

    def _set_aside(self, reason: str, page: FetchPageResult | None, body: bytes = b"") -> None:
        window = self.position.window
        log.error("window %s is set aside as suspect: %s", window, reason)
        self._commit(page, close_window(self.rules, self.position), body, reason)

    def _commit(
        self, page: FetchPageResult | None, position: ReadPosition, undecodable: bytes = b"", suspect: str = ""
    ) -> None:
        """Commit a page (None: only what was counted) and move to `position`, in one transaction."""
        window, meter = self.position.window, self.run.meter
        contracts, rejections = map_releases(page.releases if page else (), self.run.source)
        for rejection in rejections:
            log.warning("release rejected (kept in rejectedReleases): %s", rejection.reason)
        if undecodable:
            rejections.append(Rejection(undecodable, f"undecodable page: {suspect}"))
        counts = meter.uncommitted()
        counts.update(pages=1, windows=int(position.open_window is None), bytes=page.size if page else 0)
        mapped = MappedPage(
            window=window, contracts=contracts, rejections=rejections, position=position, counts=counts, suspect=suspect
        )
        counts = self.commit(mapped)
        meter.committed(counts)
        log.info(
            "page %d of %s: %d releases, %d new, %d changed, %d unchanged, %d rejected, %d doubled; %d kB",
            window.pages + 1,
            window,
            *(counts[name] for name in RELEASE_COUNTERS),
            counts["bytes"] // 1000,
        )
        self._move_to(position)
        if position.open_window is None:
            log.info("window %s complete after %d pages%s", window, window.pages + 1, self._progress())

    def _move_to(self, position: ReadPosition) -> None:
        """Go on at a position that has been committed."""
        window = self.position.window
        if position.loses_releases and not self.position.loses_releases:
            title, longest = self.run.source.title, self.rules.max_unproven_span
            log.error("%s hid releases in a long window: none over %s is asked for again", title, longest)
        if position.open_window is None:
            self.failures = 0  # as the commit has set it
            if self._ended_at_an_earlier_present(window, position):
                # The next run will not look back so far for what was listed late; so this one does.
                position = replace(position, reached=position.watermark - self.rules.look_back)
        self._resumed = self._resumed and position.cursor is not None
        self.position = position

    def _ended_at_an_earlier_present(self, window: OpenWindow, position: ReadPosition) -> bool:
        """Tell whether an earlier run opened this window up to its own present, longer ago than a look-back.

        In a backfill that is a window shorter than was due: it ended at the moment its first page was read.
        """
        resumed = self._resumed and position.reached == position.watermark
        long_ago = position.watermark < self.ceiling - self.rules.look_back
        return resumed and long_ago and (self.looks_back or window.span < self.position.next_span)

    def _progress(self) -> str:
        if not self.told_as:
            return ""
        whole = (self.ceiling - self.begins).total_seconds() or 1.0
        return f"; {self.told_as} {(self.position.watermark - self.begins).total_seconds() / whole:.1%}"

    def _limit_ceiling_to_server_time(self, served_at: datetime) -> None:
        """Move the ceiling back to the server's own time: only what it has published by then can have been listed.

        :raises FailRun: this machine's clock is days ahead: a watermark by it would hide what is published until then
        """
        ahead = self.run.clock.now() - served_at
        if ahead > LARGEST_CLOCK_DIFFERENCE:
            raise FailRun(
                f"{self.run.source.title}: this machine's clock says {self.run.clock.now():%Y-%m-%d %H:%M:%S} UTC and "
                f"the server's {served_at:%Y-%m-%d %H:%M:%S}; expected less than a day between them. Correct this "
                "machine's clock, or look for a proxy that gives out old answers; nothing of the page was written"
            )
        if served_at < self.ceiling:
            if ahead > _LOG_CLOCK_DIFFERENCE:
                seconds = ahead.total_seconds()
                log.warning("this machine's clock is %.0f s ahead of the server's, whose time is used", seconds)
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
