"""A caller's end of a websocket on one HTTP/2 stream (RFC 8441)."""

from __future__ import annotations

import contextlib

from h2.exceptions import StreamClosedError
from websockets.frames import Frame
from websockets.protocol import OPEN, Protocol, Side

from tests.e2e.stack.http2 import Http2


class Socket:
    """A caller's end of one websocket."""

    def __init__(self, peer: Http2, path: str = "/", *more: tuple[bytes, bytes]) -> None:
        peer.until("settings", lambda: peer.h2.remote_settings.enable_connect_protocol or None)
        head = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"https")]
        head += [(b":authority", b"shop.example"), (b":path", path.encode()), *more]
        self.peer = peer
        self.stream = peer.headers(head, end=False)
        self.protocol = Protocol(Side.CLIENT, state=OPEN)
        self.frames: list[Frame] = []
        self._read = 0

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Of the answer, once it is there."""
        return dict(self.peer.until("head", lambda: self.peer.so_far(self.stream).headers or None))

    def flush(self) -> None:
        """Sends what the protocol has to say. Its answer to a close may come when the stream has ended."""
        with contextlib.suppress(StreamClosedError):
            for data in self.protocol.data_to_send():
                self.peer.data(self.stream, data)

    def frame(self) -> Frame:
        """The next frame."""
        return self.peer.until("a frame", self._next)

    def _next(self) -> Frame | None:
        body = self.peer.so_far(self.stream).body
        self.protocol.receive_data(body[self._read :])
        self._read = len(body)
        self.flush()
        self.frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        return self.frames.pop(0) if self.frames else None
