"""Replay rejected: maps the rejected releases of a source again, and commits those that are contracts now."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from tender_sync.errors import FinishEarly
from tender_sync.pipeline.engine import map_releases
from tender_sync.pipeline.run import Run
from tender_sync.pipeline.run_request import Mode, RunRequest
from tender_sync.run_meter import describe_counts
from tender_sync.run_outcome import Outcome
from tender_sync.sources.base import Source
from tender_sync.storage.page_commit import MappedPage, Store
from tender_sync.storage.rejected import count_rejected, rejected_batches, releases_of
from tender_sync.windows import TimeRange

log = logging.getLogger(__name__)


def retry_rejected(run: Run, request: RunRequest) -> dict[str, Any]:
    """Map every rejected release of a source again, commit those that can be contracts now; return the run's record.

    A page that was kept whole because it could not be decoded is split into its releases if it can be decoded now. No
    API is asked.

    :raises FailRun: MongoDB failed, or another run held the source for the whole time budget
    """
    counts: Counter[str] = Counter()
    source, outcome, reason = run.source, Outcome.DONE, ""
    with run.holding_lease(Mode.REPLAY_REJECTED):
        try:
            for documents in rejected_batches(run.db, source):
                run.budget.check()
                if request.max_items is not None and counts["fetched"] >= request.max_items:
                    outcome = Outcome.ITEM_BUDGET_SPENT
                    break
                for document in documents:
                    counts += _retry(source, document, run.store)
        except FinishEarly as end:
            outcome, reason = end.outcome, end.reason
        left = count_rejected(run.db, source)
        record = run.jobs.end_run(outcome, reason, left={"rejectedReleases": left})
    log.info(
        "%s rejected releases tried again (%s): %s; %d stay rejected",
        source.title,
        outcome,
        describe_counts(counts),
        left,
    )
    return record


def _retry(source: Source, document: dict[str, Any], store: Store) -> Counter[str]:
    """Commit what a rejected release is now, in a transaction of its own: where it is too large, it costs no other."""
    releases = releases_of(document)
    # What is rejected again stays as it is when it is the document's own content, and is kept anew as part of a page.
    contracts, rejections = map_releases(releases, source)
    settled = [document["_id"]] if contracts or len(releases) > 1 else []
    window = TimeRange(document["window"]["from"], document["window"]["to"])
    return store.commit_page(MappedPage(window=window, contracts=contracts, rejections=rejections, settled=settled))
