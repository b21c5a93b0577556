"""Tables: which HTTP status and which exception leads to which action. Pure."""

from collections.abc import Iterator, Mapping
from ssl import SSLCertVerificationError

from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL, MissingSchema, ReadTimeout
from urllib3.exceptions import HTTPError, MaxRetryError

from tender_sync.errors import FailRun, FixSetup, RetrySmallerWindow
from tender_sync.sources.base import Action, Source, StatusRule

# Seconds to wait after the first, second … failed attempt; none after the last.
BACKOFF_SECONDS = (3, 6, 12, 24, 0)
TRIES = len(BACKOFF_SECONDS)

# How long a cursor lives is documented nowhere. When one is refused, its window is read again from the start.
_CURSOR_REFUSED: Mapping[int, StatusRule] = {s: StatusRule(Action.READ_AGAIN) for s in (400, 404, 410, 422)}

# What to raise for an exception of a request. The first row counts that holds the exception, or one that it wraps.
# FixSetup is raised at once, the others after the last attempt.
_FAILURES: tuple[tuple[tuple[type[BaseException], ...], type[FailRun]], ...] = (
    # A refused certificate needs a person. Other TLS failures pass, like any lost connection.
    ((SSLCertVerificationError, InvalidURL, InvalidSchema, MissingSchema, InvalidHeader), FixSetup),
    # There was no connection, so the size of the window cannot be the cause.
    ((MaxRetryError,), FailRun),
    # The server was reached but sent no whole answer: the window may be too large for it.
    ((ReadTimeout, HTTPError), RetrySmallerWindow),
    # The rest of Requests' errors, and its ValueError for a redirect to something that is no address.
    ((OSError, ValueError), FailRun),
)


def status_rule(source: Source, status: int, *, with_cursor: bool) -> StatusRule:
    """Return what to do about `status`, which differs for a request with a cursor."""
    if with_cursor and status in _CURSOR_REFUSED:
        return _CURSOR_REFUSED[status]
    return source.statuses.get(status, StatusRule(Action.STOP))


def failure_of(error: BaseException) -> type[FailRun]:
    """Return the class of error to raise for an OSError, ValueError or urllib3 error of a request."""
    if type(error) is OSError:  # raised by Requests when a file named in the connection's extra is missing
        return FixSetup
    chain = list(_with_wrapped(error))
    return next(failure for types, failure in _FAILURES if any(isinstance(each, types) for each in chain))


def root_cause(error: BaseException) -> BaseException:
    """Return what failed, without what Requests and urllib3 wrap around it."""
    reasons = (each.reason for each in _with_wrapped(error) if isinstance(each, MaxRetryError) and each.reason)
    return next(reasons, error)


def _with_wrapped(error: BaseException) -> Iterator[BaseException]:
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _with_wrapped(inner)
