"""A database that says what it likes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_SECONDS = 60.0


def message(tag: bytes, body: bytes = b"", length: int | None = None) -> bytes:
    """Of PostgreSQL's protocol 3, with whatever length."""
    return tag + struct.pack(">i", len(body) + 4 if length is None else length) + body


def authentication(method: int, data: bytes = b"") -> bytes:
    """AuthenticationRequest."""
    return message(b"R", struct.pack(">i", method) + data)


WELCOME = authentication(0) + message(b"K", struct.pack(">ii", 1, 2)) + message(b"Z", b"I")
"""Whoever it is may come in."""


@contextmanager
def evil_database(says: Sequence[bytes]) -> Iterator[int]:
    """Its port. A caller's first words are answered with the first of these, its next with the second;
    further ones are listened to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, says), daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _serve(listener: socket.socket, says: Sequence[bytes]) -> None:
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(caller, says), daemon=True).start()


def _answer(caller: socket.socket, says: Sequence[bytes]) -> None:
    caller.settimeout(_SECONDS)
    with caller, contextlib.suppress(OSError):
        for words in says:
            if not caller.recv(65536):
                return
            caller.sendall(words)
        while caller.recv(65536):
            pass
