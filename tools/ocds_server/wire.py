"""Sends an answer: whole, or in one of the ways in which connections fail."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .answer import Answer

_POLL_SECONDS = 0.05


class Connection(Protocol):
    """What a delivery needs of the HTTP handler."""

    connection: socket.socket
    close_connection: bool

    def send_head(self, answer: Answer, *, length: int | None) -> None:
        """Send status line and headers; without `length` the body ends with the connection."""

    def stop_requested(self, seconds: float) -> bool:
        """Wait for up to `seconds`; return whether the server is stopping."""


Delivery = Callable[[Connection, "Answer"], None]


def whole(connection: Connection, answer: Answer) -> None:
    """Send head and body; the connection stays open."""
    connection.send_head(answer, length=len(answer.body))
    connection.connection.sendall(answer.body)


def reset(connection: Connection, _answer: Answer) -> None:
    """Reset the connection (TCP RST) without a byte of an answer."""
    _reset(connection)


def reset_mid_body(connection: Connection, answer: Answer) -> None:
    """Send half the body, then reset the connection."""
    connection.send_head(answer, length=len(answer.body))
    connection.connection.sendall(_half(answer))
    connection.stop_requested(_POLL_SECONDS)  # a reset overtakes what is still unread: let the half arrive
    _reset(connection)


def cut_short(connection: Connection, answer: Answer) -> None:
    """Send half the body that Content-Length promises, and close properly."""
    connection.close_connection = True
    connection.send_head(answer, length=len(answer.body))
    connection.connection.sendall(_half(answer))


def cut_short_no_length(connection: Connection, answer: Answer) -> None:
    """Send half the body without Content-Length, and close: valid HTTP, without a sign that anything is missing."""
    connection.close_connection = True
    connection.send_head(answer, length=None)
    connection.connection.sendall(_half(answer))


def hang(connection: Connection, _answer: Answer) -> None:
    """Send nothing until the client goes away or the server stops."""
    connection.close_connection = True
    while not connection.stop_requested(_POLL_SECONDS) and not _client_gone(connection.connection):
        pass


def trickle(size: int, pause: float) -> Delivery:
    """Make a delivery that sends `size` bytes of the body every `pause` seconds."""

    def deliver(connection: Connection, answer: Answer) -> None:
        connection.send_head(answer, length=len(answer.body))
        for start in range(0, len(answer.body), size):
            connection.connection.sendall(answer.body[start : start + size])
            if connection.stop_requested(pause):
                connection.close_connection = True
                return

    return deliver


def _half(answer: Answer) -> bytes:
    return answer.body[: len(answer.body) // 2]


def _reset(connection: Connection) -> None:
    connection.close_connection = True
    lingering_for_no_time = struct.pack("ii", 1, 0)
    connection.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering_for_no_time)
    connection.connection.close()


def _client_gone(sock: socket.socket) -> bool:
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
