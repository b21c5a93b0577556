"""Errors, named by what the caller should do about them; the text says what was met, expected, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tender_sync.windows import ReadPosition


class TenderSyncError(Exception):
    """Base of everything this package raises on purpose; `requests` counts those made in vain before it."""

    requests = 0


class FailRun(TenderSyncError):
    """End this run as failed; the job keeps its position, and a retry or the next hourly run may well succeed."""


class FixSetup(FailRun):
    """End this run as failed; no retry can help until a person changes a setting."""


class RetrySmallerWindow(FailRun):
    """End this run as failed, and let the next one read a smaller window: this one may be what is at fault."""


class FinishEarly(TenderSyncError):
    """End this run in order: its time is spent, or it was told to stop."""


class SkipRun(TenderSyncError):
    """Another run holds, or has taken, this source's lease: end without having done or failed anything."""


class ReadAgain(TenderSyncError):
    """The answer cannot be believed: read its window again in smaller pieces.

    `body` holds the raw answer where it could not be decoded, so that it can be set aside in the end. `place`: where to
    go on, when that is not the first half of the window.
    """

    def __init__(self, message: str, body: bytes = b"", position: ReadPosition | None = None) -> None:
        super().__init__(message)
        self.body = body
        self.position = position


class AlertOperator(TenderSyncError):
    """All that a program can do is done; fail the task, for good, so that a person learns of it."""


class RejectedRelease(TenderSyncError):
    """The release cannot become a contract: keep it raw with this reason, and go on."""
