"""A name server whose answers are what a test says (RFC 1035, as much of it as a resolver asks for)."""

from __future__ import annotations

import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from tests.e2e.stack.secured import secured

_A, _SOA, _AAAA, _IN = 1, 6, 28, 1
_NO_SUCH_NAME, _REFUSED = 3, 5
_HEAD = struct.Struct(">HHHHHH")
_LENGTH = struct.Struct(">H")


class _StreamServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake belongs to the connection's own thread."""
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with secured(request, self.context) as tls:
            super().finish_request(tls, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Resolvers that do not like the certificate are no news."""


@dataclass
class NameServer:
    """Knows the names in `names`, each with turns: every question takes the next one, the last stays."""

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    """Names about which it says nothing at all."""
    ttl: int = 0
    asked: list[str] = field(default_factory=list)
    """The names of all questions so far."""
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        """Where it is asked."""
        return f"127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[NameServer]:
        """Answers on a thread of its own, by UDP."""
        known = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, transport = self.request
                answer = known.answer(data)
                if answer is not None:
                    transport.sendto(answer, self.client_address)

        with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, name="dns", daemon=True)
            thread.start()
            yield self
            server.shutdown()
            thread.join(10)

    @contextmanager
    def streaming(self, context: ssl.SSLContext | None = None) -> Iterator[int]:
        """Answers by TCP, or by TLS (RFC 7858), at this port."""
        known = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while len(head := self.rfile.read(_LENGTH.size)) == _LENGTH.size:
                    answer = known.answer(self.rfile.read(*_LENGTH.unpack(head)))
                    if answer is not None:
                        self.wfile.write(_LENGTH.pack(len(answer)) + answer)

        with _StreamServer(("127.0.0.1", 0), Handler) as server:
            server.context = context
            thread = threading.Thread(target=server.serve_forever, name="dns", daemon=True)
            thread.start()
            yield int(server.server_address[1])
            server.shutdown()
            thread.join(10)

    def answer(self, data: bytes) -> bytes | None:
        """The answer to one question, or silence."""
        number, _, questions, *_ = _HEAD.unpack_from(data)
        name, end = _name(data, _HEAD.size)
        kind, _ = struct.unpack_from(">HH", data, end)
        question = data[_HEAD.size : end + 4]
        with self._lock:
            self.asked.append(name)
            if name in self.silent:
                return None
            if questions != 1 or name not in self.names:
                return _HEAD.pack(number, 0x8580 | _NO_SUCH_NAME, 1, 0, 1, 0) + question + _authority()
            addresses = [ip_address(text) for text in self._turn(name, kind)]
        wanted = IPv4Address if kind == _A else IPv6Address if kind == _AAAA else None
        found = [address for address in addresses if wanted is not None and isinstance(address, wanted)]
        records = b"".join(_record(kind, address.packed, self.ttl) for address in found)
        authority = b"" if found else _authority()
        counts = (1, len(found), int(not found), 0)
        return _HEAD.pack(number, 0x8580, *counts) + question + records + authority

    def _turn(self, name: str, kind: int) -> list[str]:
        turns = self.names[name]
        # One look-up asks for both kinds; a turn is over when its IPv4 addresses were told.
        return turns.pop(0) if kind == _A and len(turns) > 1 else turns[0]


def _name(data: bytes, at: int) -> tuple[str, int]:
    labels = []
    while (length := data[at]) != 0:
        labels.append(data[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), at + 1


def _record(kind: int, address: bytes, ttl: int) -> bytes:
    # 0xC00C points at the question's name.
    return struct.pack(">HHHIH", 0xC00C, kind, _IN, ttl, len(address)) + address


def _authority() -> bytes:
    """A SOA of the root, by which "no" may be remembered for a second."""
    data = b"\0\0" + struct.pack(">IIIII", 1, 1, 1, 1, 1)
    return b"\0" + struct.pack(">HHIH", _SOA, _IN, 1, len(data)) + data
