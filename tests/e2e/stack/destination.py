"""What the forward proxy's callers ask for: a server of files, in clear and by TLS."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.e2e.stack.secured import secured

HELLO = b"hello from the other side\n"


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file, `/hello`, or with `/request` what was asked."""
        if self.path == "/hello":
            self._answer(HELLO)
        elif self.path.startswith("/request"):
            asked = {"line": self.requestline, "headers": self.headers.items()}
            self._answer(json.dumps(asked).encode())
        elif self.path.startswith("/bytes/"):
            self._answer(b"x" * int(self.path.removeprefix("/bytes/")))
        else:
            super().do_GET()

    def do_POST(self) -> None:
        """The digest of the body."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self._answer(hashlib.sha256(body).hexdigest().encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None
    connections = 0

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake belongs to the connection's own thread."""
        self.connections += 1
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with secured(request, self.context) as tls:
            super().finish_request(tls, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that go away are no news."""


@dataclass
class Destination:
    """Serves the files of a folder at two ports of one address of this machine."""

    folder: Path
    context: ssl.SSLContext
    host: str = "127.0.0.1"
    port: int = 0
    tls_port: int = 0
    _servers: list[_Server] = field(default_factory=list)

    @property
    def connections(self) -> int:
        """How many there were."""
        return sum(server.connections for server in self._servers)

    @contextmanager
    def running(self) -> Iterator[Destination]:
        """Serves on threads of its own."""
        handler = partial(_Handler, directory=str(self.folder))
        with ExitStack() as stack:
            for context in (None, self.context):
                server = stack.enter_context(_Server((self.host, 0), handler))
                server.context = context
                thread = threading.Thread(target=server.serve_forever, name="destination", daemon=True)
                thread.start()
                stack.callback(thread.join, 10)
                stack.callback(server.shutdown)
                self._servers.append(server)
            self.port, self.tls_port = (server.server_address[1] for server in self._servers)
            yield self
