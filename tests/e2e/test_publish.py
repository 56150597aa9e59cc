"""What the public gets of a published application, whoever stands between: each test runs on every way."""

from __future__ import annotations

import contextlib
import hashlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from h2.errors import ErrorCodes
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.e2e.stack.application import pattern
from tests.e2e.stack.haproxy import device
from tests.e2e.stack.http2 import Http2, dial
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.publish import Certificates, Stage, caller, staged, wait_for_answer
from tests.e2e.stack.worker import APPLICATION

MIB = 1 << 20


@dataclass(frozen=True)
class Way:
    """One way to the application."""

    port: int
    """Public HTTP in clear."""

    @property
    def url(self) -> str:
        """The public side."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, *, http2: bool = False) -> httpx.Client:
        """A client that speaks only one of the two."""
        return caller(self.url, http2=http2)


def haproxy_edge(release: str, *, forwarding: bool = False) -> Callable[[Stage], Way]:
    """A worker that dials HAProxy; the application is in it, or behind it."""

    def start(stage: Stage) -> Way:
        edge = stage.edge(release)
        what = f"http://127.0.0.1:{stage.upstream()}" if forwarding else APPLICATION
        worker = stage.worker(edge.tunnel_port, what)
        wait_for_answer(edge.url, edge.process, worker.process)
        return Way(edge.public_port)

    return start


def haproxy_device(release: str) -> Callable[[Stage], Way]:
    """HAProxy that dials a proxy."""

    def start(stage: Stage) -> Way:
        proxy = stage.proxy()
        far = device(stage.haproxy(release), stage.certificates.device, proxy.tunnel_port, stage.upstream())
        wait_for_answer(proxy.url, proxy.process, far)
        return Way(proxy.public_port)

    return start


def penstock(flavour: str, *, forwarding: bool = False) -> Callable[[Stage], Way]:
    """A worker that dials a proxy."""

    def start(stage: Stage) -> Way:
        proxy = stage.proxy()
        what = f"http://127.0.0.1:{stage.upstream()}" if forwarding else APPLICATION
        worker = stage.worker(proxy.tunnel_port, what, "--flavour", flavour)
        wait_for_answer(proxy.url, proxy.process, worker.process)
        return Way(proxy.public_port)

    return start


WAYS: dict[str, Callable[[Stage], Way]] = {
    "haproxy-3.0-to-worker": haproxy_edge("trixie"),
    "haproxy-3.2-to-worker": haproxy_edge("sid"),
    "haproxy-3.2-to-upstream": haproxy_edge("sid", forwarding=True),
    "proxy-to-haproxy-3.0": haproxy_device("trixie"),
    "proxy-to-haproxy-3.2": haproxy_device("sid"),
    "proxy-to-worker-h2": penstock("h2"),
    "proxy-to-worker-rh2": penstock("rh2"),
    "proxy-to-upstream-h2": penstock("h2", forwarding=True),
}


@pytest.fixture(scope="module", params=WAYS)
def way(
    request: pytest.FixtureRequest, root: Path, peers: Peers, certificates: Certificates
) -> Iterator[Way]:
    """The way that the test runs on."""
    name: str = request.param
    with staged(root / name, peers, certificates) as stage:
        yield WAYS[name](stage)


# Requests and answers


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2"])
def test_a_round_trip(way: Way, http2: bool) -> None:
    """Method, path, query and headers arrive as they were sent, and the answer as it was given."""
    with way.client(http2=http2) as client:
        told = client.request("PATCH", "/request/a%20b?x=1&y=%2f", headers={"x-one": "1", "cookie": "a=b"})
    assert told.status_code == 200
    found: dict[str, Any] = told.json()
    headers = dict(found["headers"])
    assert (found["method"], found["path"], found["query"]) == ("PATCH", "/request/a b", "x=1&y=%2f")
    assert headers["x-one"] == "1" and headers["cookie"] == "a=b"
    assert headers["host"] == f"127.0.0.1:{way.port}"


def test_answers_of_each_kind(way: Way) -> None:
    """Statuses, HEAD, and what is not there."""
    with way.client() as client:
        assert client.get("/nothing").status_code == 404
        head = client.head("/bytes/100000")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "100000", b"")
        assert client.post("/hash").text == f"{hashlib.sha256().hexdigest()} 0"


def test_headers_that_are_for_one_hop_only(way: Way) -> None:
    """RFC 9110, section 7.6.1: they are neither passed on nor do they break the link."""
    with way.client() as client:
        answer = client.get("/hop-by-hop")
        assert answer.headers["x-kept"] == "1"
        assert not {"keep-alive", "proxy-connection", "upgrade"} & set(answer.headers)
        sent = {"keep-alive": "5", "proxy-connection": "x", "te": "gzip"}
        names = {name for name, _ in client.get("/request", headers=sent).json()["headers"]}
        assert not names & set(sent)


def test_nobody_outside_says_who_they_are(way: Way) -> None:
    """What was forwarded is what the edge saw."""
    forged = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "gopher", "forwarded": "for=203.0.113.7"}
    with way.client() as client:
        told = client.get("/request", headers=forged)
    assert "203.0.113.7" not in told.text and "gopher" not in told.text
    headers = dict(told.json()["headers"])
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"


# Many, and large


def test_a_burst(way: Way) -> None:
    """Twenty at once."""
    with way.client() as client, ThreadPoolExecutor(20) as threads:
        answers = threads.map(lambda _: client.get("/hello").text, range(20))
        assert list(answers) == ["hello\n"] * 20


def test_a_mebibyte_down(way: Way) -> None:
    """Intact."""
    with way.client() as client:
        assert client.get(f"/bytes/{MIB}").content == pattern(MIB)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_mebibyte_up(way: Way, chunked: bool) -> None:
    """Intact, whether its length is known or not."""
    body = pattern(MIB)
    content = iter([body[:1], body[1:70000], body[70000:]]) if chunked else body
    with way.client() as client:
        told = client.post("/hash", content=content).text
    assert told == f"{hashlib.sha256(body).hexdigest()} {MIB}"


def test_sixty_four_streams_with_a_mebibyte_both_ways(way: Way) -> None:
    """Through four links, intact by hash."""

    def mirror(number: int) -> bool:
        body = bytes([number]) + pattern(MIB)
        back = by_http2(body) if number % 2 else by_http1(body)
        return hashlib.sha256(back).digest() == hashlib.sha256(body).digest()

    def by_http1(body: bytes) -> bytes:
        with way.client() as client:
            return client.post("/mirror", content=body).content

    def by_http2(body: bytes) -> bytes:
        with Http2(dial(way.port), client=True).begin() as client:
            stream = client.request("/mirror", method="POST", end=False)
            client.data(stream, body, end=True)
            return client.answer(stream).body

    with ThreadPoolExecutor(64) as threads:
        assert list(threads.map(mirror, range(64))) == [True] * 64


# Streams


def test_events_arrive_one_by_one(way: Way, application: str) -> None:
    """Each leaves at once: the next is not even made before the last was read."""
    with way.client() as client, client.stream("GET", f"/events/{application}") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        parts = answer.iter_text()
        for number in range(4):
            assert next(parts) == f"data: tick {number}\n\n"
            assert client.post(f"/gate/{application}").status_code == 200
        assert list(parts) == []


def test_an_echo_while_it_is_being_sent(way: Way) -> None:
    """The answer begins before the request ends: both directions stream."""
    with Http2(dial(way.port), client=True).begin() as client:
        stream = client.request("/echo", method="POST", end=False)
        for number in range(3):
            client.data(stream, b"%d" % number)
            client.body_of(stream, number + 1)
        client.data(stream, b"", end=True)
        assert client.answer(stream).body == b"012"


def test_an_early_answer_ends_the_upload(way: Way) -> None:
    """413 comes while the body is on its way, and the rest of it is neither wanted nor waited for."""
    with Http2(dial(way.port), client=True).begin() as client:
        stream = client.request("/early", method="POST", end=False)
        client.data(stream, b"x" * 1000)
        answer = client.answer(stream)
        assert (answer.status, answer.body) == (413, b"too much\n")
        again = client.request("/hello")
        assert client.answer(again).body == b"hello\n"


def test_a_client_that_goes_away(way: Way, application: str) -> None:
    """The application is told."""
    with Http2(dial(way.port), client=True).begin() as client:
        stream = client.request(f"/wait/{application}")
        client.body_of(stream, 1)
        client.h2.reset_stream(stream, ErrorCodes.CANCEL)
        client.flush()
        assert client.answer(client.request(f"/gone/{application}")).body == b"gone\n"


def test_an_application_that_fails(way: Way) -> None:
    """Before the answer: 500. In the middle of it: an answer that does not look whole. Others go on."""
    with way.client() as client:
        assert client.get("/raise").status_code == 500
        # Of an answer that is reset at once, the head may be lost, too: then the proxy says so.
        with contextlib.suppress(httpx.RemoteProtocolError):
            assert client.get("/raise-late").status_code == 502
        assert client.get("/hello").text == "hello\n"


# Websockets


def test_a_websocket(way: Way) -> None:
    """Texts, bytes, a large message, a subprotocol, and the code it is closed with."""
    with connect(f"ws://127.0.0.1:{way.port}/chat/1", subprotocols=["one", "two"], proxy=None) as client:  # type: ignore[list-item]
        assert client.subprotocol == "one"
        for message in ("tëxt", b"\0\xff", "x" * (MIB - 100), pattern(MIB - 100)):
            client.send(message)
            assert client.recv(20) == message
        client.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(20)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4000


def test_a_websocket_that_is_refused(way: Way) -> None:
    """403, as ASGI has it."""
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{way.port}/refused", proxy=None):
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_whose_client_is_lost(way: Way, application: str) -> None:
    """The application is told."""
    with connect(f"ws://127.0.0.1:{way.port}/chat/{application}", proxy=None) as client:
        client.send("here")
        assert client.recv(20) == "here"
        client.socket.shutdown(socket.SHUT_RDWR)
        with way.client() as other:
            assert other.get(f"/gone/{application}").text == "gone\n"
