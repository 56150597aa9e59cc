"""Breaches of RFC 9113 by one who asks, after the cases of the h2spec conformance test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from hpack import Encoder

# Section 6.
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM = ACK = 1
END_HEADERS = 4
PADDED = 8
WITH_PRIORITY = 32

_GET = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/hello")]
_POST = [(":method", "POST"), *_GET[1:3], (":path", "/hash")]
_MOST = (1 << 31) - 1


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", length: int | None = None) -> bytes:
    """RFC 9113, section 4.1."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def get(stream: int, flags: int = END_STREAM | END_HEADERS, before: bytes = b"") -> bytes:
    """An ordinary request."""
    return frame(HEADERS, flags, stream, before + Encoder().encode(_GET))


def post(stream: int) -> bytes:
    """A request whose body is still to come."""
    return frame(HEADERS, END_HEADERS, stream, Encoder().encode(_POST))


def setting(number: int, value: int) -> bytes:
    """SETTINGS with one parameter."""
    return frame(SETTINGS, 0, 0, struct.pack(">HI", number, value))


@dataclass(frozen=True)
class Breach:
    """What is sent, and whether the end of the stream is enough for it."""

    section: str
    words: bytes
    stream_error: bool = False

    @property
    def refusals(self) -> set[str]:
        """The answers that are right."""
        return {"GOAWAY", "END", "RST_STREAM"} if self.stream_error else {"GOAWAY", "END"}


def _breaches() -> Sequence[tuple[str, Breach]]:
    fatal, lenient = Breach, partial(Breach, stream_error=True)
    number = struct.Struct(">I").pack
    return (
        ("a frame that is too large", fatal("4.2", frame(DATA, 0, 1, length=(1 << 24) - 1))),
        ("a header block that is none", fatal("4.3", frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\x80"))),
        ("a table that is too large", fatal("4.3", frame(HEADERS, 5, 1, b"\x3f\xe1\xff\xff\x03"))),
        ("another frame in a header block", fatal("4.3", get(1, END_STREAM) + frame(PING, 0, 0, bytes(8)))),
        ("another stream in a header block", fatal("4.3", get(1, END_STREAM) + get(3))),
        ("DATA on an idle stream", fatal("5.1", frame(DATA, END_STREAM, 1, b"x"))),
        ("RST_STREAM on an idle stream", fatal("5.1", frame(RST_STREAM, 0, 1, number(8)))),
        ("WINDOW_UPDATE on an idle stream", fatal("5.1", frame(WINDOW_UPDATE, 0, 1, number(100)))),
        ("CONTINUATION without HEADERS", fatal("5.1", frame(CONTINUATION, END_HEADERS, 1, b"\x82"))),
        ("DATA after the end", lenient("5.1", get(1) + frame(DATA, END_STREAM, 1, b"x"))),
        ("HEADERS after the end", lenient("5.1", get(1) + get(1))),
        ("a stream of the other side", fatal("5.1.1", get(2))),
        ("a stream below another", fatal("5.1.1", get(5) + get(3))),
        ("DATA on the connection", fatal("6.1", frame(DATA, END_STREAM, 0, b"x"))),
        ("more padding than DATA", fatal("6.1", post(1) + frame(DATA, PADDED, 1, b"\x10x"))),
        ("HEADERS on the connection", fatal("6.2", get(0))),
        ("more padding than HEADERS", fatal("6.2", get(1, 5 | PADDED, b"\xff"))),
        ("a stream that depends on itself", lenient("5.3.1", get(1, 5 | WITH_PRIORITY, number(1) + b"\0"))),
        ("PRIORITY of another length", lenient("6.3", post(1) + frame(PRIORITY, 0, 1, bytes(4)))),
        ("RST_STREAM on the connection", fatal("6.4", frame(RST_STREAM, 0, 0, number(8)))),
        ("RST_STREAM of another length", fatal("6.4", post(1) + frame(RST_STREAM, 0, 1, bytes(3)))),
        ("SETTINGS with ACK and content", fatal("6.5", frame(SETTINGS, ACK, 0, bytes(6)))),
        ("SETTINGS on a stream", fatal("6.5", frame(SETTINGS, 0, 1, bytes(6)))),
        ("SETTINGS of another length", fatal("6.5", frame(SETTINGS, 0, 0, bytes(5)))),
        ("ENABLE_PUSH of 2", fatal("6.5.2", setting(2, 2))),
        ("a window that is too large", fatal("6.5.2", setting(4, _MOST + 1))),
        ("a frame size that is too small", fatal("6.5.2", setting(5, 16_383))),
        ("a frame size that is too large", fatal("6.5.2", setting(5, 1 << 24))),
        ("a push by who asks", fatal("8.4", post(1) + frame(PUSH_PROMISE, 4, 1, number(2) + b"\x82"))),
        ("PING on a stream", fatal("6.7", frame(PING, 0, 1, bytes(8)))),
        ("PING of another length", fatal("6.7", frame(PING, 0, 0, bytes(6)))),
        ("GOAWAY on a stream", fatal("6.8", frame(GOAWAY, 0, 1, bytes(8)))),
        ("a window update of nothing", fatal("6.9", frame(WINDOW_UPDATE, 0, 0, bytes(4)))),
        ("a window update of another length", fatal("6.9", frame(WINDOW_UPDATE, 0, 0, bytes(3)))),
        ("a connection window that overflows", fatal("6.9.1", frame(WINDOW_UPDATE, 0, 0, number(_MOST)) * 2)),
        ("a window that overflows", lenient("6.9.1", post(1) + frame(WINDOW_UPDATE, 0, 1, number(_MOST)))),
        ("CONTINUATION after the end", fatal("6.10", get(1) + frame(CONTINUATION, END_HEADERS, 1, b"\x82"))),
        ("CONTINUATION on the connection", fatal("6.10", get(1, 1) + frame(CONTINUATION, 4, 0, b""))),
        ("HEADERS in the middle of a body", lenient("8.1", post(1) + post(1))),
    )


BREACHES = dict(_breaches())
