"""Dry run: reads a range as a replay does, and reports what a replay would write. It needs no lease."""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tender_sync.pipeline.engine import read_range
from tender_sync.pipeline.replay import log_range_read, range_facts, range_to_read
from tender_sync.pipeline.run import Run
from tender_sync.pipeline.run_request import Mode, RunRequest
from tender_sync.storage.page_commit import MappedPage, Store

log = logging.getLogger(__name__)

_NAMED_AT_MOST = 50


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
        changes = self._store.contracts.preview(page.contracts)
        created = self._new("created", changes.created)
        updated = self._new("updated", [*changes.updated, *changes.remapped])
        self._name("rejected", [rejection.reason for rejection in page.rejections])
        return page.counts + Counter(
            fetched=len(page.contracts) + len(page.rejections),
            created=created,
            updated=updated,
            unchanged=len(page.contracts) - changes.doubled - created - updated,
            rejected=len(page.rejections),
            doubled=changes.doubled,
        )

    def _new(self, kind: str, ids: Iterable[str]) -> int:
        met_first = [notice_id for notice_id in ids if notice_id not in self._written]
        self._written.update(met_first)
        self._name(kind, met_first)
        return len(met_first)

    def _name(self, kind: str, names: list[str]) -> None:
        self.named[kind] = (self.named[kind] + names)[:_NAMED_AT_MOST]


def dry_run(run: Run, request: RunRequest) -> dict[str, Any]:
    """Read a range and report what a replay of it would write; nothing is written but the pace of its requests.

    The range is that of `request`; without one, what a normal run would read now. Returns what a run's record would
    hold, with the counts under `would` and the first ids of each kind under `named`.
    """
    time_range, recorder = range_to_read(run, request), DryRunRecorder(run.store)
    read = read_range(run, time_range, recorder.commit_page, told_as=Mode.DRY_RUN, max_items=request.max_items)
    log_range_read("dry run", run, time_range, read)
    for kind, names in recorder.named.items():
        if names:
            log.info("would be %s, the first %d: %s", kind, len(names), ", ".join(names))
    return {
        "source": run.source.name,
        "mode": str(Mode.DRY_RUN),
        "outcome": str(read.outcome),
        **range_facts(time_range, read),
        "would": dict(run.meter.total),
        "named": recorder.named,
    }
