"""Errors, named by what the caller should do. Each message says what was met, what was expected, and what to do."""

from tender_sync.run_outcome import Outcome


class TenderSyncError(Exception):
    """Base of everything this package raises on purpose."""


class FailRun(TenderSyncError):
    """End this run as failed. The job keeps its position, and a retry or the next hourly run may well succeed."""


class FixSetup(FailRun):
    """End this run as failed. No retry can help until a person changes a setting."""


class RetrySmallerWindow(FailRun):
    """End this run as failed, and let the next one read a smaller window: this window may be what is at fault."""


class FinishEarly(TenderSyncError):
    """End this run in order: a budget is spent, or the task was told to stop. `reason` says more, where needed."""

    def __init__(self, outcome: Outcome, reason: str = "") -> None:
        super().__init__(f"{outcome}: {reason}" if reason else str(outcome))
        self.outcome = outcome
        self.reason = reason


class SkipRun(TenderSyncError):
    """Another run holds, or has taken over, this source's lease: end without having done or failed anything."""


class ReadAgain(TenderSyncError):
    """The answer cannot be used: read its window again in smaller pieces.

    `body` is the raw answer where it could not be decoded, so that it can be kept in the end.
    """

    def __init__(self, message: str, body: bytes = b"") -> None:
        super().__init__(message)
        self.body = body


class AlertOperator(TenderSyncError):
    """All that a program can do is done. Fail the task for good, so that a person learns of it."""


class RejectedRelease(TenderSyncError):
    """The release cannot become a contract: keep it raw with this reason, and go on."""
