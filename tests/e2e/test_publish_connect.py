"""Plain CONNECT to what is published: only where a route says so, and then bytes both ways."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from h2.events import RemoteSettingsChanged, RequestReceived
from penstock.proxy import Route

from tests.e2e.stack.far_end import link
from tests.e2e.stack.http2 import Headers, Http2, dial
from tests.e2e.stack.library import library_proxy
from tests.e2e.stack.publish import Certificates


@pytest.fixture
def connecting(certificates: Certificates) -> Iterator[tuple[int, Http2]]:
    """The public port of a proxy that lets CONNECT to one host pass, and its worker's link."""
    routes = [Route(), Route(host="db.internal", connect=True)]
    with library_proxy(certificates, routes=routes) as proxy:
        tunnel, public = (int(each[0].rpartition(":")[2]) for each in (proxy.tunnels, proxy.public))
        with link(tunnel, certificates.worker) as worker:
            worker.event(RemoteSettingsChanged)
            yield public, worker


def grant(worker: Http2) -> int:
    """Takes the CONNECT that comes next, and greets; its stream."""
    event = worker.event(RequestReceived)
    assert event.headers is not None and event.stream_id is not None
    assert {(b":method", b"CONNECT"), (b":authority", b"db.internal:5432")} <= set(event.headers)
    assert b":path" not in dict(event.headers) and b":protocol" not in dict(event.headers)
    worker.h2.send_headers(event.stream_id, [(b":status", b"200")])
    worker.h2.send_data(event.stream_id, b"welcome")
    worker.flush()
    return event.stream_id


def test_connect_by_http1(connecting: tuple[int, Http2]) -> None:
    """Bytes both ways; each direction ends by itself."""
    port, worker = connecting
    with dial(port) as client:
        client.sendall(b"CONNECT db.internal:5432 HTTP/1.1\r\nHost: db.internal:5432\r\n\r\n")
        stream = grant(worker)
        told = b""
        while not told.endswith(b"welcome"):
            told += client.recv(65536)
        assert told.startswith(b"HTTP/1.1 200 ") and b"transfer-encoding" not in told.lower()
        client.sendall(b"thanks")
        client.shutdown(socket.SHUT_WR)
        assert worker.whole_body(stream) == b"thanks"
        worker.h2.send_data(stream, b"bye", end_stream=True)
        worker.flush()
        assert client.recv(65536) == b"bye" and client.recv(1) == b""


def test_connect_by_http2(connecting: tuple[int, Http2]) -> None:
    """On a stream, with others beside it."""
    port, worker = connecting
    with Http2(dial(port), client=True).begin() as client:
        head: Headers = [(b":method", b"CONNECT"), (b":authority", b"db.internal:5432")]
        asking = client.headers(head, end=False)
        stream = grant(worker)
        assert client.body_of(asking, 7) == b"welcome"
        client.data(asking, b"thanks", end=True)
        assert worker.whole_body(stream) == b"thanks"
        worker.h2.send_data(stream, b"bye", end_stream=True)
        worker.flush()
        assert client.answer(asking).body == b"welcomebye"


def test_connect_elsewhere(connecting: tuple[int, Http2]) -> None:
    """403: a proxy that publishes is nobody's way out."""
    port, _ = connecting
    with dial(port) as client:
        client.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 403 ")
