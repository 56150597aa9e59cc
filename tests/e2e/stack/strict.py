"""An upstream that takes HTTP/1.1 to the letter and remembers all that it was sent: for those who smuggle."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import h11


@dataclass
class Seen:
    """One request."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""


@dataclass
class Strict:
    """The requests so far, each answered with 200; `strict.garbage` is what was no request."""

    port: int = 0
    requests: list[Seen] = field(default_factory=list)
    garbage: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> list[Seen]:
        """The requests since the last time."""
        with self._lock:
            taken, self.requests = self.requests, []
        return taken

    @contextmanager
    def running(self) -> Iterator[Strict]:
        """Serves on threads of its own."""
        strict = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    strict.serve(_Connection(self))

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, name="strict", daemon=True)
            thread.start()
            yield self
            server.shutdown()
            thread.join(10)

    def serve(self, connection: _Connection) -> None:
        """One connection, to its end."""
        while True:
            try:
                seen = connection.request()
            except h11.RemoteProtocolError as error:
                self.garbage.append(str(error))
                return
            if seen is None:
                return
            with self._lock:
                self.requests.append(seen)
            if not connection.answer(b"seen\n"):
                return


class _Connection:
    def __init__(self, handler: socketserver.BaseRequestHandler) -> None:
        self._socket = handler.request
        self._h11 = h11.Connection(h11.SERVER)

    def request(self) -> Seen | None:
        seen = None
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                data = self._socket.recv(65536)
                if seen and not data:
                    # Cut in the middle: the worker gave it up, which is not what this is about.
                    return None
                self._h11.receive_data(data)
            elif isinstance(event, h11.Request):
                headers = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
                seen = Seen(event.method.decode(), event.target.decode("latin-1"), headers)
            elif isinstance(event, h11.Data) and seen:
                seen.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return seen
            else:
                return None

    def answer(self, body: bytes) -> bool:
        head = h11.Response(status_code=200, headers=[("content-length", str(len(body)))])
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self._socket.sendall(self._h11.send(event) or b"")
        if self._h11.our_state is h11.MUST_CLOSE:
            return False
        self._h11.start_next_cycle()
        return True
