"""The local OCDS server stops at once, whatever it is doing, and leaves nothing open."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time

import pytest

from tools.ocds_server import Catalogue, OcdsServer

PATH = "/api/1.0/ocdsReleasePackages"


def client(server):
    return contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=20))


@pytest.mark.parametrize(("fault", "options"), [("hang", {}), ("trickle", {"pause": 30})])
def test_the_server_stops_at_once_in_the_middle_of_a_fault(fault, options):
    with OcdsServer(Catalogue()) as server, client(server) as connection:
        server.faults.add(fault, **options)
        connection.request("GET", PATH)
        while not server.requests:
            pass
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 1
        with pytest.raises((http.client.HTTPException, OSError)):
            connection.getresponse().read()


def test_stopping_closes_idle_connections():
    with OcdsServer(Catalogue()) as server, client(server) as connection:
        connection.request("GET", PATH)
        connection.getresponse().read()
        server.stop()
        assert connection.sock.recv(1) == b""


def test_stopping_leaves_no_thread_behind():
    before = set(threading.enumerate())
    with OcdsServer(Catalogue()) as server, client(server) as connection:
        server.faults.add("trickle", pause=30)
        connection.request("GET", PATH)
        connection.getresponse()
        serving = set(threading.enumerate()) - before
        assert len(serving) == 2
        server.stop()
        for thread in serving:
            thread.join(2)
        assert not any(thread.is_alive() for thread in serving)
