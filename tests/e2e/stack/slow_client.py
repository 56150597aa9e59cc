"""A PostgreSQL client without a driver's memory: it reads as slowly as one likes, or not at all."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PROTOCOL_3_0 = 196608
_SECONDS = 60.0
_HEAD = struct.Struct(">cI")


@dataclass
class Counted:
    """What of an answer was read."""

    read: int = 0
    rows: int = 0
    row_bytes: int = 0
    tag: bytes = b""
    """Of CommandComplete."""
    ready: bool = False
    """ReadyForQuery has come: the answer is whole."""


class SlowClient:
    """One connection; its answer is counted message by message, and nothing of it is kept."""

    def __init__(self, port: int, application: str, receive_buffer: int = 64 * 1024) -> None:
        self.counted = Counted()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(_SECONDS)
        self._socket.connect(("127.0.0.1", port))
        words = b"user\0x\0application_name\0" + application.encode() + b"\0\0"
        self._socket.sendall(struct.pack(">II", 8 + len(words), PROTOCOL_3_0) + words)
        self._head = b""
        self._left = 0
        """Bytes of the present message that are still to come."""
        self._kind = b""
        while not self.counted.ready:
            self._read(65536)
        self.counted = Counted()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, statement: str) -> None:
        """A simple query, whose answer is not read yet."""
        text = statement.encode() + b"\0"
        self._socket.sendall(_HEAD.pack(b"Q", 4 + len(text)) + text)

    def read_for(self, seconds: float, rate: int) -> None:
        """Reads for this time, so many bytes a second."""
        begun = time.monotonic()
        before = self.counted.read
        while (passed := time.monotonic() - begun) < seconds and not self.counted.ready:
            due = before + int(rate * passed) - self.counted.read
            if due > 0:
                self._read(min(due, 1 << 20))
            else:
                time.sleep(-due / rate + 0.001)

    def read_all(self) -> Counted:
        """Reads as fast as it can until the answer is whole."""
        while not self.counted.ready:
            self._read(1 << 20)
        return self.counted

    def _read(self, most: int) -> None:
        data = self._socket.recv(most)
        if not data:
            raise ConnectionResetError("the connection ended before the answer did")
        self.counted.read += len(data)
        at = 0
        while at < len(data):
            at = self._take(data, at)

    def _take(self, data: bytes, at: int) -> int:
        """Takes what there is of one message; where the next bytes begin."""
        if not self._left:
            part = data[at : at + _HEAD.size - len(self._head)]
            self._head += part
            if len(self._head) < _HEAD.size:
                return at + len(part)
            self._kind, length = _HEAD.unpack(self._head)
            self._head, self._left = b"", length - 4
            self._count(length - 4)
            at += len(part)
        step = min(self._left, len(data) - at)
        if self._kind == b"C":
            self.counted.tag += data[at : at + step]
        self._left -= step
        return at + step

    def _count(self, length: int) -> None:
        if self._kind == b"D":
            self.counted.rows += 1
            self.counted.row_bytes += length
        elif self._kind == b"Z":
            self.counted.ready = True
        elif self._kind == b"E":
            raise AssertionError("the server answered an error")
