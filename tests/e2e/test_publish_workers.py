"""A proxy whose worker is odd or hostile, frame by frame: the public gets an answer that is true, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from h2.errors import ErrorCodes
from h2.events import RemoteSettingsChanged, RequestReceived
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, GoAwayFrame, HeadersFrame, PushPromiseFrame

from tests.e2e.stack.far_end import FLAVOURS, link
from tests.e2e.stack.http2 import Headers, Http2
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.proxy import Proxy
from tests.e2e.stack.publish import Certificates, caller, staged

OK: Headers = [(b":status", b"200"), (b"content-length", b"3")]


@dataclass(frozen=True)
class Serving:
    """A proxy, and this test as its worker."""

    proxy: Proxy
    certificates: Certificates
    threads: ThreadPoolExecutor

    def link(self, flavour: str = "h2", settings: dict[SettingCodes, int] | None = None) -> Http2:
        """One more link, attached."""
        found = link(self.proxy.tunnel_port, self.certificates.worker, flavour, settings)
        found.event(RemoteSettingsChanged)
        return found

    def ask(self, method: str = "GET", content: bytes | None = None) -> Future[httpx.Response]:
        """A public request whose answer comes later."""
        return self.threads.submit(self._ask, method, content)

    def _ask(self, method: str, content: bytes | None) -> httpx.Response:
        with caller(self.proxy.url) as client:
            return client.request(method, "/asked", content=content)


@pytest.fixture(scope="module")
def serving(root: Path, peers: Peers, certificates: Certificates) -> Iterator[Serving]:
    """One for all; each test attaches and detaches."""
    with staged(root / "workers", peers, certificates) as stage, ThreadPoolExecutor(8) as threads:
        yield Serving(stage.proxy("--wait-seconds", "20"), certificates, threads)


def asked(worker: Http2) -> int:
    """The stream of the next request that nobody has looked at."""
    event = worker.event(RequestReceived)
    worker.events.remove(event)
    assert event.stream_id is not None
    return event.stream_id


def answer(worker: Http2, stream: int, headers: Headers = OK, body: bytes = b"yes") -> None:
    """A whole answer."""
    worker.h2.send_headers(stream, headers)
    worker.h2.send_data(stream, body, end_stream=True)
    worker.flush()


# Odd, but in order


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_answer_in_small_pieces(serving: Serving, flavour: str) -> None:
    """Interim answers, HEADERS with CONTINUATION, empty and padded DATA, trailers."""
    with serving.link(flavour) as worker:
        reply = serving.ask()
        stream = asked(worker)
        worker.h2.send_headers(stream, [(b":status", b"103"), (b"link", b"</a>; rel=preload")])
        whole, worker.h2.max_outbound_frame_size = worker.h2.max_outbound_frame_size, 100
        worker.h2.streams[stream].max_outbound_frame_size = 100
        worker.h2.send_headers(stream, [(b":status", b"200"), (b"x-long", b"~" * 350)])
        worker.h2.max_outbound_frame_size = whole
        for _ in range(300):
            worker.h2.send_data(stream, b"")
            worker.h2.send_data(stream, b"x", pad_length=1)
        worker.h2.send_headers(stream, [(b"x-sum", b"1")], end_stream=True)
        worker.flush()
        found = reply.result(30)
    assert (found.status_code, found.text, found.headers["x-long"]) == (200, "x" * 300, "~" * 350)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_tiny_windows(serving: Serving, flavour: str) -> None:
    """A body that the worker takes byte by byte."""
    with serving.link(flavour, {SettingCodes.INITIAL_WINDOW_SIZE: 1}) as worker:
        reply = serving.ask("POST", b"0123456789" * 20)
        stream = asked(worker)
        assert worker.whole_body(stream) == b"0123456789" * 20
        answer(worker, stream)
        assert reply.result(30).text == "yes"


# Hostile


def _headers(headers: Headers) -> Callable[[Http2, int], None]:
    return lambda worker, stream: answer(worker, stream, headers)


def _flood(worker: Http2, stream: int) -> None:
    """A header block without an end."""
    worker.send(HeadersFrame(stream, Encoder().encode([(":status", "200")])))
    part = ContinuationFrame(stream, Encoder().encode([("x-more", "x" * 15_000)], huffman=False))
    for _ in range(20):
        worker.send(part)


def _bomb(worker: Http2, stream: int) -> None:
    """One large field and many references to it."""
    encoder = Encoder()
    block = encoder.encode([(":status", "200"), ("x-bomb", "x" * 4000)], huffman=False)
    block += encoder.encode([("x-bomb", "x" * 4000)]) * 10_000
    worker.send(HeadersFrame(stream, block, flags=["END_HEADERS", "END_STREAM"]))


def _push(worker: Http2, stream: int) -> None:
    """RFC 9113, section 8.4: it was not asked for."""
    block = Encoder().encode([(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")])
    worker.send(PushPromiseFrame(stream, 2, block, flags=["END_HEADERS"]))


BAD: dict[str, Callable[[Http2, int], None]] = {
    "no status": _headers([(b"x", b"y")]),
    "a status of letters": _headers([(b":status", b"abc")]),
    "upper case in a name": _headers([(b":status", b"200"), (b"X-Y", b"z")]),
    "a line break in a value": _headers([(b":status", b"200"), (b"x", b"y\r\nSet-Cookie: a=b")]),
    "a line break in a name": _headers([(b":status", b"200"), (b"x: y\r\nz", b"")]),
    "connection": _headers([(b":status", b"200"), (b"connection", b"close")]),
    "transfer-encoding": _headers([(b":status", b"200"), (b"transfer-encoding", b"chunked")]),
    "a body before the head": lambda worker, stream: worker.send(DataFrame(stream, b"x")),
    "an endless header block": _flood,
    "an HPACK bomb": _bomb,
    "a push": _push,
    "a reset": lambda worker, stream: worker.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer(serving: Serving, name: str) -> None:
    """502 and nothing of what the worker said; the next link serves."""
    with serving.link() as worker:
        reply = serving.ask("POST", b"x")
        stream = asked(worker)
        # The proxy may have ended the link before all is said.
        with suppress(OSError):
            BAD[name](worker, stream)
            worker.flush()
        refusal = reply.result(30)
    assert (refusal.status_code, refusal.headers["content-type"]) == (502, "application/problem+json")
    assert refusal.json()["hint"] and "set-cookie" not in refusal.headers and "x" not in refusal.headers
    with serving.link() as worker:
        reply = serving.ask()
        answer(worker, asked(worker))
        assert reply.result(30).text == "yes"


@contextmanager
def _begun(serving: Serving) -> Iterator[tuple[Http2, int, Future[httpx.Response]]]:
    with serving.link() as worker:
        reply = serving.ask()
        stream = asked(worker)
        worker.h2.send_headers(stream, [(b":status", b"200"), (b"content-length", b"10")])
        worker.h2.send_data(stream, b"abc")
        worker.flush()
        yield worker, stream, reply


CUT: dict[str, Callable[[Http2, int], None]] = {
    "a reset": lambda worker, stream: worker.h2.reset_stream(stream, ErrorCodes.CANCEL),
    "a reset without an error": lambda worker, stream: worker.h2.reset_stream(stream, ErrorCodes.NO_ERROR),
    "an early end": lambda worker, stream: worker.h2.end_stream(stream),
    "too much": lambda worker, stream: worker.h2.send_data(stream, b"defghijklmnop", end_stream=True),
    "the end of the link": lambda worker, _stream: worker.transport.close(),
    "garbage": lambda worker, _stream: worker.send(b"\xff" * 100),
}


@pytest.mark.parametrize("name", CUT)
def test_an_answer_that_is_not_whole_does_not_look_so(serving: Serving, name: str) -> None:
    """The caller's connection ends before the length that was promised."""
    with _begun(serving) as (worker, stream, reply):
        CUT[name](worker, stream)
        worker.flush()
        with pytest.raises(httpx.RemoteProtocolError):
            reply.result(30)


# Once more


def test_a_refused_stream_is_asked_again(serving: Serving) -> None:
    """RFC 9113, section 8.7: it was not begun, so it may be repeated whatever the method."""
    with serving.link() as worker:
        reply = serving.ask("POST", b"once")
        worker.h2.reset_stream(asked(worker), ErrorCodes.REFUSED_STREAM)
        worker.flush()
        stream = asked(worker)
        assert worker.whole_body(stream) == b"once"
        answer(worker, stream)
        assert reply.result(30).text == "yes"


def test_a_stream_above_goaway_is_asked_elsewhere(serving: Serving) -> None:
    """The same; the link takes no more requests."""
    with serving.link() as worker:
        reply = serving.ask("POST", b"once")
        worker.send(GoAwayFrame(0, last_stream_id=asked(worker) - 1))
        with serving.link() as other:
            stream = asked(other)
            assert other.whole_body(stream) == b"once"
            answer(other, stream)
            assert reply.result(30).text == "yes"


def test_a_link_that_is_lost_is_not_the_end_of_a_get(serving: Serving) -> None:
    """What is safe to repeat is repeated, on the link that comes next."""
    with serving.link() as worker:
        reply = serving.ask()
        asked(worker)
    with serving.link() as other:
        answer(other, asked(other))
        assert reply.result(30).text == "yes"
