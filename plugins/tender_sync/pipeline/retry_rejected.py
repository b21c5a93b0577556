"""Replay rejected: maps the rejected releases of a source again, and commits those that are contracts now."""

import logging
from collections import Counter
from typing import Any

from tender_sync.errors import FinishEarly
from tender_sync.pipeline.engine import map_releases
from tender_sync.pipeline.run import Run
from tender_sync.pipeline.run_request import Mode, RunRequest
from tender_sync.run_meter import describe_counts
from tender_sync.run_outcome import Outcome
from tender_sync.storage.page_commit import MappedPage
from tender_sync.storage.rejected import count_rejected, rejected_batches, releases_of
from tender_sync.windows import TimeRange

log = logging.getLogger(__name__)


def retry_rejected(run: Run, request: RunRequest) -> dict[str, Any]:
    """Map every rejected release of a source again, commit those that can be contracts now; return the run's record.

    A page that was kept whole because it could not be decoded is split into its releases if it can be decoded now. No
    API is asked.
    """
    counts: Counter[str] = Counter()
    outcome, reason = Outcome.DONE, ""
    with run.holding_lease(Mode.REPLAY_REJECTED):
        try:
            for documents in rejected_batches(run.db, run.source):
                run.budget.check()
                if request.max_items is not None and counts["fetched"] >= request.max_items:
                    outcome = Outcome.ITEM_BUDGET_SPENT
                    break
                for document in documents:
                    counts += _retry(run, document)
        except FinishEarly as end:
            outcome, reason = end.outcome, end.reason
        left = count_rejected(run.db, run.source)
        record = run.jobs.end_run(outcome, reason, left={"rejectedReleases": left})
    title, described = run.source.title, describe_counts(counts)
    log.info("%s rejected releases tried again (%s): %s; %d stay rejected", title, outcome, described, left)
    return record


def _retry(run: Run, document: dict[str, Any]) -> Counter[str]:
    """Commit what a rejected release is now, in a transaction of its own: where it is too large, it costs no other."""
    releases = releases_of(document)
    # What is rejected again stays as it is when it is the document's own content, and is kept anew as part of a page.
    contracts, rejections = map_releases(releases, run.source)
    settled = [document["_id"]] if contracts or len(releases) > 1 else []
    window = TimeRange(document["window"]["from"], document["window"]["to"])
    page = MappedPage(window=window, contracts=contracts, rejections=rejections, settled=settled)
    return run.store.commit_page(page)
