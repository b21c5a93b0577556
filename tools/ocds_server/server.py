"""Serves both APIs on one port: a thread for each connection, HTTP/1.1 with keep-alive."""

from __future__ import annotations

import socket
import sys
import threading
from datetime import UTC, tzinfo
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from . import control, wire
from .api import OcdsApi

if TYPE_CHECKING:
    from collections import deque
    from types import TracebackType

    from .answer import Answer
    from .api import Record
    from .catalogue import Catalogue
    from .clock import ServerClock
    from .faults import Faults


class OcdsServer:
    """Serves a catalogue over HTTP while its `with` block runs.

    `url`, `host` and `port` are its address (a free port unless `port` is given), `requests` the requests so far,
    `faults` the active faults. `api.enforce_limits` switches the rate limits. `clock` replaces the catalogue's. `stop`
    returns at once, even while a fault keeps a connection hanging.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        clock: ServerClock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        cf_zone: tzinfo = UTC,
        enforce_limits: bool = False,
    ) -> None:
        if clock is not None:
            catalogue.clock = clock
        self.catalogue = catalogue
        self.clock = catalogue.clock
        self.api = OcdsApi(catalogue, cf_zone=cf_zone, enforce_limits=enforce_limits)
        self._http = _Http((host, port), self.api)
        self.host, self.port = str(self._http.server_address[0]), int(self._http.server_address[1])
        self.url = f"http://{self.host}:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def requests(self) -> deque[Record]:
        """The last requests, oldest first."""
        return self.api.requests

    @property
    def faults(self) -> Faults:
        """The active faults."""
        return self.api.faults

    def start(self) -> None:
        """Start to serve, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close every connection, at once."""
        self._http.stop.set()
        self._http.shutdown()
        self._http.close_connections()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], api: OcdsApi) -> None:
        self.api = api
        self.stop = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().close_request(request)

    def close_connections(self) -> None:
        with self._open_lock:
            for sock in self._open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # its client or its handler has closed it

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about clients that went away: faults and time-outs make that normal."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "ocds-server"
    sys_version = ""
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        path, query = self._split()
        if path.startswith(control.PREFIX):
            self._control(path, query)
            return
        host = self.headers.get("Host") or "{}:{}".format(*self.server.server_address[:2])
        answer = self.server.api.answer(path, query, host=host)
        (answer.delivery or wire.whole)(self, answer)

    def do_POST(self) -> None:
        self._control(*self._split())

    def do_DELETE(self) -> None:
        self._control(*self._split())

    def send_head(self, answer: Answer, *, length: int | None) -> None:
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def stop_requested(self, seconds: float) -> bool:
        return self.server.stop.wait(seconds)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the `Date` header by the server's clock, which tests move."""
        del timestamp
        return format_datetime(self.server.api.clock.now(), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class names it)
        """Log nothing: `requests` holds all of it."""

    def _split(self) -> tuple[str, str]:
        parts = urlsplit(self.path)
        return parts.path, parts.query

    def _control(self, path: str, query: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not path.startswith(control.PREFIX):
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            return
        wire.whole(self, control.answer(self.server.api, self.command, path, query, body))
