"""Which exception of Requests and urllib3 leads to which of our errors, as these libraries raise and wrap them."""

from __future__ import annotations

import ssl
from http.client import RemoteDisconnected

import pytest
from requests import exceptions as of_requests
from urllib3 import exceptions as of_urllib3

from tender_sync.api.retry_rules import failure_of, root_cause
from tender_sync.errors import FailRun, FixSetup, RetrySmallerWindow

REFUSED_CERTIFICATE = of_urllib3.SSLError(ssl.SSLCertVerificationError(1, "self-signed certificate"))
CUT_HANDSHAKE = of_urllib3.SSLError(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"))
REFUSED = of_urllib3.NewConnectionError(None, "Connection refused")
NO_CONNECTION_IN_TIME = of_urllib3.ConnectTimeoutError(None, "timed out")
ABORTED = of_urllib3.ProtocolError("Connection aborted.", RemoteDisconnected("Remote end closed connection"))
SILENT = of_urllib3.ReadTimeoutError(None, None, "Read timed out.")
NO_TUNNEL = of_urllib3.ProxyError("no tunnel", REFUSED_CERTIFICATE)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (OSError("Could not find a suitable TLS CA certificate bundle, invalid path: /nowhere"), FixSetup),
        (of_requests.InvalidURL("no host"), FixSetup),
        (of_requests.MissingSchema("no scheme"), FixSetup),
        (ConnectionResetError("reset"), FailRun),
        (ValueError("Invalid IPv6 URL"), FailRun),
        (of_requests.ConnectionError(ABORTED), RetrySmallerWindow),
        (of_requests.ReadTimeout(SILENT), RetrySmallerWindow),
        (SILENT, RetrySmallerWindow),
        (of_urllib3.IncompleteRead(7, 9), RetrySmallerWindow),
    ],
    ids=repr,
)
def test_error_that_is_its_own_cause(error, failure):
    assert failure_of(error) is failure
    assert root_cause(error) is error


@pytest.mark.parametrize(
    ("kind", "reason", "failure"),
    [
        (of_requests.SSLError, REFUSED_CERTIFICATE, FixSetup),
        (of_requests.ProxyError, NO_TUNNEL, FixSetup),
        (of_requests.SSLError, CUT_HANDSHAKE, FailRun),
        (of_requests.ConnectionError, REFUSED, FailRun),
        (of_requests.ConnectTimeout, NO_CONNECTION_IN_TIME, FailRun),
    ],
)
def test_error_that_wraps_why_there_was_no_connection(kind, reason, failure):
    error = kind(of_urllib3.MaxRetryError(None, "/path", reason))
    assert failure_of(error) is failure
    assert root_cause(error) is reason
