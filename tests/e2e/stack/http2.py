"""HTTP/2 frame by frame: a client, and both ends of a link; well-behaved until a test wants otherwise."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""RFC 9113, section 3.4."""

Headers = list[tuple[bytes, bytes]]
T = TypeVar("T")
E = TypeVar("E", bound=Event)


@dataclass
class Answer:
    """What came back on a stream."""

    headers: Headers = field(default_factory=list)
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    reset: int | None = None
    """The code of RST_STREAM."""

    @property
    def status(self) -> int:
        """Its `:status`, 0 if none came."""
        return int(dict(self.headers).get(b":status", b"0"))


class Http2:
    """One connection."""

    def __init__(self, transport: socket.socket, *, client: bool) -> None:
        transport.settimeout(20)
        self.transport = transport
        self.events: list[Event] = []
        self.closed = False
        """True once the peer has ended the connection."""
        self.acknowledge = True
        """False: what comes in opens no window."""
        # A test says what is valid, not the library.
        config = H2Configuration(
            client_side=client,
            header_encoding=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        self.h2 = H2Connection(config)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.transport.close()

    def begin(self, settings: dict[SettingCodes, int] | None = None, *, reversed_: bool = False) -> Self:
        """Sends the first words. `reversed_` is HAProxy's flavour of a link: who dialled sends the preface
        and then serves, who accepted sends none and asks."""
        client = bool(self.h2.config.client_side)
        self.h2.local_settings = Settings(client=client, initial_values=settings)
        self.h2.initiate_connection()
        words = self.h2.data_to_send()
        if reversed_ and client:
            words = words.removeprefix(PREFACE)
            self._unread = PREFACE
        elif reversed_:
            words = PREFACE + words
            self.h2.receive_data(PREFACE)
        self.send(words)
        return self

    def send(self, data: bytes | Frame) -> None:
        """Sends these bytes, whatever they are."""
        self.transport.sendall(data if isinstance(data, bytes) else data.serialize())

    def flush(self) -> None:
        """Sends what the library has to say."""
        if words := self.h2.data_to_send():
            self.transport.sendall(words)

    def headers(self, headers: Headers, *, end: bool = True) -> int:
        """Opens a stream."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, headers, end_stream=end)
        self.flush()
        return stream

    def request(
        self,
        path: str,
        *,
        method: str = "GET",
        authority: str = "localhost",
        end: bool = True,
        more: Sequence[tuple[bytes, bytes]] = (),
    ) -> int:
        """Opens a stream with an ordinary request."""
        head = [(":method", method), (":scheme", "http"), (":authority", authority), (":path", path)]
        return self.headers([(name.encode(), value.encode()) for name, value in head] + [*more], end=end)

    def data(self, stream: int, body: bytes, *, end: bool = False) -> None:
        """Sends a body, as windows allow."""
        while body or end:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if room <= 0 < len(body):
                self.receive()
                continue
            part, body = body[:room], body[room:]
            self.h2.send_data(stream, part, end_stream=end and not body)
            self.flush()
            if not body:
                return

    def receive(self, seconds: float = 20) -> None:
        """Takes what the peer sends next, if it sends anything in time."""
        self.transport.settimeout(seconds)
        try:
            data = self.transport.recv(65536)
        except TimeoutError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        if self._unread:
            taken = min(len(data), len(self._unread))
            assert data[:taken] == self._unread[:taken], data
            data, self._unread = data[taken:], self._unread[taken:]
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, DataReceived) and self.acknowledge:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        try:
            self.flush()
        except ConnectionError:
            self.closed = True

    def until(self, what: str, look: Callable[[], T | None], seconds: float = 20) -> T:
        """Receives until `look` finds something."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            left = deadline - time.monotonic()
            if self.closed or left <= 0:
                raise AssertionError(f"there was no {what}; the last events: {self.events[-5:]}")
            self.receive(left)
        return found

    def event(self, kind: type[E], stream: int | None = None, seconds: float = 20) -> E:
        """The first event of this kind, of this stream."""

        def look() -> E | None:
            found = (event for event in self.events if isinstance(event, kind))
            return next(
                (event for event in found if stream in (None, getattr(event, "stream_id", None))), None
            )

        return self.until(kind.__name__, look, seconds)

    def answer(self, stream: int, seconds: float = 20) -> Answer:
        """The whole answer on a stream, once it ended or was reset."""
        self.until(f"end of stream {stream}", lambda: self.ended(stream), seconds)
        return self.so_far(stream)

    def so_far(self, stream: int) -> Answer:
        """What has come on a stream."""
        found = Answer()
        for event in self.events:
            if getattr(event, "stream_id", None) != stream or isinstance(
                event, InformationalResponseReceived
            ):
                continue
            if isinstance(event, ResponseReceived):
                found.headers = list(event.headers or [])
            elif isinstance(event, DataReceived):
                found.body += event.data or b""
            elif isinstance(event, TrailersReceived):
                found.trailers = list(event.headers or [])
            elif isinstance(event, StreamReset):
                found.reset = int(event.error_code or 0)
        return found

    def body_of(self, stream: int, size: int, seconds: float = 20) -> bytes:
        """What has come of a body, once it is at least so long."""
        return self.until(f"{size} B of stream {stream}", lambda: self._body(stream, size), seconds)

    def ended(self, stream: int) -> Event | None:
        """The event that ended a stream, if there was one."""
        ends = (StreamEnded, StreamReset)
        found = (event for event in self.events if isinstance(event, ends) and event.stream_id == stream)
        return next(found, None)

    def whole_body(self, stream: int, seconds: float = 20) -> bytes:
        """All of a body that comes."""
        self.event(StreamEnded, stream, seconds)
        return self.so_far(stream).body

    def goaway(self) -> int | None:
        """The code of the peer's GOAWAY, if it sent one."""
        found = (event for event in self.events if isinstance(event, ConnectionTerminated))
        return next((int(event.error_code or 0) for event in found), None)

    def wait_for_end(self, seconds: float = 20) -> None:
        """Returns once the peer ended the connection; AssertionError if it does not."""
        deadline = time.monotonic() + seconds
        while not self.closed:
            left = deadline - time.monotonic()
            assert left > 0, f"the connection is still open; the last events: {self.events[-5:]}"
            self.receive(left)

    def _body(self, stream: int, size: int) -> bytes | None:
        body = self.so_far(stream).body
        return body if len(body) >= size else None


def dial(port: int) -> socket.socket:
    """A plain connection on this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)
