"""Requests that two parsers may read differently: the upstream sees one request or none, never another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.stack.http2 import Headers, Http2, dial
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.publish import Certificates, staged, wait_for_answer
from tests.e2e.stack.strict import Seen, Strict

HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"0\r\n\r\n"


def post(*fields: bytes, body: bytes = LAST + HIDDEN, version: bytes = b"HTTP/1.1") -> bytes:
    """A request with these lines, whatever they end with."""
    return b"POST /honest " + version + b"\r\nHost: a\r\n" + b"".join(fields) + b"\r\n" + body


def last(body: bytes, *fields: bytes) -> tuple[bytes, bytes]:
    """A request whose body comes out as `abc`, the last one on its connection."""
    return post(b"Connection: close\r\n", *fields, body=body), b"abc"


# RFC 9112, sections 2.2, 3, 5 and 6; after published research on request smuggling.
REFUSED = {
    "two lengths": post(b"Content-Length: 0\r\n", b"Content-Length: 35\r\n", body=HIDDEN),
    "a list of lengths": post(b"Content-Length: 0, 35\r\n", body=HIDDEN),
    "a length with a sign": post(b"Content-Length: +35\r\n", body=HIDDEN),
    "a negative length": post(b"Content-Length: -1\r\n", body=HIDDEN),
    "a hexadecimal length": post(b"Content-Length: 0x23\r\n", body=HIDDEN),
    "a length with a gap": post(b"Content-Length: 3 5\r\n", body=HIDDEN),
    "no length": post(b"Content-Length:\r\n", body=HIDDEN),
    "a huge length": post(b"Content-Length: 18446744073709551617\r\n", body=HIDDEN),
    "chunked is not last": post(b"Transfer-Encoding: chunked, identity\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked\r\n"),
    "two encodings": post(CHUNKED, b"Transfer-Encoding: identity\r\n"),
    "an unknown encoding": post(b"Transfer-Encoding: xchunked\r\n"),
    "a space before the colon": post(b"Transfer-Encoding : chunked\r\n"),
    "a folded line": post(b"X: y\r\n Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"),
    "chunked in HTTP/1.0": post(CHUNKED, version=b"HTTP/1.0"),
    "a bare CR in a field": post(b"X: y\rTransfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"),
    "NUL in a field": post(b"X: y\0z\r\n", b"Content-Length: 0\r\n", body=b""),
    "a field without a name": post(b": y\r\n", b"Content-Length: 0\r\n", body=b""),
    "a field without a colon": post(b"Content-Length\r\n", body=HIDDEN),
    "a space in a name": post(b"Content Length: 5\r\n", body=HIDDEN),
    "a control character in a name": post(b"Content-\x0bLength: 5\r\n", body=HIDDEN),
    "two hosts": b"GET /honest HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET /honest HTTP/1.1\r\n\r\n",
    "a host with a space": b"GET /honest HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
    "a host with a path": b"GET /honest HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n",
    "a target with a space": b"GET /honest /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target with NUL": b"GET /hon\0est HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method that is no token": b"GE(T /honest HTTP/1.1\r\nHost: a\r\n\r\n",
    "an unknown version": b"GET /honest HTTP/1.9\r\nHost: a\r\n\r\n",
    "a version of HTTP/2": b"GET /honest HTTP/2.0\r\nHost: a\r\n\r\n",
    "a space before the first field": b"GET /honest HTTP/1.1\r\n Host: a\r\n\r\n",
    "a chunk size with a sign": post(CHUNKED, body=b"+0\r\n\r\n" + HIDDEN),
    "a chunk size with a prefix": post(CHUNKED, body=b"0x0\r\n\r\n" + HIDDEN),
    "a chunk size without digits": post(CHUNKED, body=b"\r\n\r\n" + HIDDEN),
    "a huge chunk size": post(CHUNKED, body=b"10000000000000000\r\n" + HIDDEN),
    "a chunk longer than it says": post(CHUNKED, body=b"1\r\nab\r\n0\r\n\r\n"),
    "a long chunk extension": post(CHUNKED, body=b"0;" + b"x" * 100_000 + b"\r\n\r\n"),
}

# What is odd but clear: one request, with this body.
TAKEN = {
    # RFC 9112, section 6.3: chunked counts, and the connection ends.
    "length and chunked": (post(b"Content-Length: 6\r\n", CHUNKED), b""),
    "chunked and length": (post(CHUNKED, b"Content-Length: 40\r\n"), b""),
    "chunks": last(b"3\r\nabc\r\n" + LAST, CHUNKED),
    "a chunk extension": last(b"3;a=b\r\nabc\r\n" + LAST, CHUNKED),
    "a chunk size with zeros": last(b"0003\r\nabc\r\n" + LAST, CHUNKED),
    "upper case": last(b"3\r\nabc\r\n" + LAST, b"TRANSFER-ENCODING: CHUNKED\r\n"),
    "fields after the body": last(
        b"3\r\nabc\r\n0\r\nContent-Length: 35\r\nHost: b\r\nX-Forwarded-For: c\r\n\r\n", CHUNKED
    ),
    "a length with zeros": last(b"abc", b"Content-Length: 0003\r\n"),
    "an upgrade that is not taken up": last(
        b"abc", b"Connection: upgrade\r\n", b"Upgrade: x\r\n", b"Content-Length: 3\r\n"
    ),
}

HEAD: Headers = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/honest")]


def head(**changes: bytes) -> Headers:
    """The pseudo-header fields, some changed."""
    return [(name, changes.get(name[1:].decode(), value)) for name, value in HEAD]


# RFC 9113, sections 8.1.1, 8.2 and 8.3.
REFUSED_HTTP2: dict[str, tuple[Headers, bytes]] = {
    "a line break in a value": ([*HEAD, (b"x", b"y\r\nTransfer-Encoding: chunked")], HIDDEN),
    "a bare LF in a value": ([*HEAD, (b"x", b"y\nTransfer-Encoding: chunked")], HIDDEN),
    "NUL in a value": ([*HEAD, (b"x", b"y\0")], b""),
    "a line break in a name": ([*HEAD, (b"x: y\r\nz", b"")], b""),
    "a colon in a name": ([*HEAD, (b"x:", b"y")], b""),
    "upper case in a name": ([*HEAD, (b"X", b"y")], b""),
    "an empty name": ([*HEAD, (b"", b"y")], b""),
    "a line break in the path": (head(path=b"/ HTTP/1.1\r\nX: y\r\n\r\nGET /smuggled"), b""),
    "a space in the path": (head(path=b"/honest HTTP/1.1 /smuggled"), b""),
    "an empty path": (head(path=b""), b""),
    "a path without a slash": (head(path=b"honest"), b""),
    "a method with a line break": (head(method=b"GET /smuggled HTTP/1.1\r\nX:"), b""),
    "an authority with a line break": (head(authority=b"a\r\nX: y"), b""),
    "an authority with a space": (head(authority=b"a b"), b""),
    "an authority with a path": (head(authority=b"a/smuggled"), b""),
    "a scheme with a host": (head(scheme=b"http://b/smuggled?"), b""),
    "two paths": ([*HEAD, (b":path", b"/smuggled")], b""),
    "a pseudo-header field at the end": ([*HEAD[:3], (b"x", b"y"), HEAD[3]], b""),
    "an unknown pseudo-header field": ([*HEAD, (b":smuggled", b"1")], b""),
    "no path": (HEAD[:3], b""),
    "transfer-encoding": ([*HEAD, (b"transfer-encoding", b"chunked")], LAST + HIDDEN),
    "connection": ([*HEAD, (b"connection", b"close")], b""),
    "a body longer than it says": ([*HEAD, (b"content-length", b"3")], HIDDEN),
    "a body shorter than it says": ([*HEAD, (b"content-length", b"40")], b"abc"),
    "two lengths": ([*HEAD, (b"content-length", b"35"), (b"content-length", b"0")], HIDDEN),
    "a length with a sign": ([*HEAD, (b"content-length", b"+35")], HIDDEN),
}


@dataclass(frozen=True)
class Behind:
    """A strict upstream behind a worker and a proxy."""

    port: int
    """The proxy's public one."""
    strict: Strict

    def honest(self) -> list[Seen]:
        """What the upstream has seen, after one more request that is in order."""
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"http://127.0.0.1:{self.port}/last").text == "seen\n"
        assert self.strict.garbage == []
        *seen, last = self.strict.take()
        assert last.target == "/last"
        return seen


@pytest.fixture(scope="module")
def behind(root: Path, peers: Peers, certificates: Certificates) -> Iterator[Behind]:
    """One for all."""
    with staged(root / "smuggling", peers, certificates) as stage, Strict().running() as strict:
        proxy = stage.proxy()
        worker = stage.worker(proxy.tunnel_port, f"http://127.0.0.1:{strict.port}")
        wait_for_answer(proxy.url, proxy.process, worker.process)
        strict.take()
        yield Behind(proxy.public_port, strict)


def answers(port: int, words: bytes) -> bytes:
    """All that comes back until the other side ends the connection."""
    with dial(port) as client:
        client.sendall(words)
        told = b""
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65536):
                told += data
    return told


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(behind: Behind, name: str) -> None:
    """The connection is of no use any more, and nothing reaches the upstream whole."""
    told = answers(behind.port, REFUSED[name])
    assert told.count(b"HTTP/1.1 ") == 1 and told.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), told
    assert behind.honest() == []


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_odd_but_clear_arrives_as_one(behind: Behind, name: str) -> None:
    """With its body, and with no field of those that came behind it."""
    words, body = TAKEN[name]
    assert answers(behind.port, words).startswith(b"HTTP/1.1 200 ")
    [seen] = behind.honest()
    assert (seen.method, seen.target, seen.body) == ("POST", "/honest", body)
    fields = dict(seen.headers)
    assert fields["host"] == "a" and fields["x-forwarded-for"] == "127.0.0.1"


@pytest.mark.parametrize("name", REFUSED_HTTP2)
def test_what_http1_could_not_say_is_refused_in_http2(behind: Behind, name: str) -> None:
    """RFC 9113, section 8.1.1: a malformed request is a stream error, or gets a 400."""
    headers, body = REFUSED_HTTP2[name]
    with Http2(dial(behind.port), client=True).begin() as client:
        stream = client.headers(headers, end=not body)
        if body:
            client.h2.send_data(stream, body, end_stream=True)
            client.flush()
        client.until("a refusal", lambda: client.closed or client.goaway() or client.ended(stream) or None)
        answer = client.so_far(stream)
        assert client.closed or client.goaway() or answer.reset or answer.status == 400, answer
    assert behind.honest() == []


def test_two_hosts_in_http2(behind: Behind) -> None:
    """RFC 9113, section 8.3.1: `:authority` is the host, and the upstream hears of no other."""
    with Http2(dial(behind.port), client=True).begin() as client:
        client.answer(client.headers([*HEAD, (b"host", b"b")]))
    assert [value for seen in behind.honest() for name, value in seen.headers if name == "host"] in (
        [],
        ["a"],
    )
