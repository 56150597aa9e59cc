"""A forward proxy asked by hand: for a tunnel, or for a URL just as it is written."""

from __future__ import annotations

import base64
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.stack.http2 import dial

_SECONDS = 20.0


@dataclass
class Tunnel:
    """What was answered to CONNECT, and the connection behind it."""

    head: str
    socket: socket.socket

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    @property
    def status(self) -> int:
        """Of the answer."""
        return int(self.head.split(" ", 2)[1])

    def tls(self, ca: Path, name: str) -> ssl.SSLSocket:
        """A handshake with the other side."""
        context = ssl.create_default_context(cafile=str(ca))
        return context.wrap_socket(self.socket, server_hostname=name)

    def ends(self) -> bool:
        """True once the other side has ended it, whatever it said before."""
        self.socket.settimeout(_SECONDS)
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def get(self, path: str = "/hello", host: str = "origin.test") -> bytes:
        """The answer to a request in clear, without its head."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        return answer(self.socket).partition(b"\r\n\r\n")[2]


def status(port: int, target: str, user: str | None = None) -> int:
    """What is answered to one who asks for a tunnel and goes away."""
    with tunnel(port, target, user) as asked:
        return asked.status


def absolute(port: int, url: str, key: str, before: bytes = b"") -> tuple[int, str]:
    """Status and body of the answer to a GET of this very URL; ``before`` is what is sent first."""
    host = url.split("/")[2]
    proof = f"proxy-authorization: Bearer {key}"
    with dial(port) as connection:
        connection.sendall(before + f"GET {url} HTTP/1.1\r\nhost: {host}\r\n{proof}\r\n\r\n".encode())
        head, _, body = answer(connection).partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), body.decode()


def tunnel(port: int, target: str, user: str | None = None) -> Tunnel:
    """Asks for one."""
    connection = dial(port)
    proof = f"proxy-authorization: Basic {base64.b64encode(user.encode()).decode()}\r\n" if user else ""
    connection.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{proof}\r\n".encode())
    return Tunnel(_head(connection), connection)


def answer(connection: socket.socket) -> bytes:
    """Head and body of an answer that says its length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", b"0")):
        body += _some(connection)
    return head + b"\r\n\r\n" + body


def _head(connection: socket.socket) -> str:
    data = b""
    # Byte by byte: what follows belongs to the tunnel.
    while not data.endswith(b"\r\n\r\n"):
        data += _some(connection, 1)
    return data.decode("latin-1")


def _some(connection: socket.socket, most: int = 65536) -> bytes:
    connection.settimeout(_SECONDS)
    data = connection.recv(most)
    if not data:
        raise ConnectionResetError("the connection ended")
    return data
