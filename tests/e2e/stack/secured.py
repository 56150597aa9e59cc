"""The serving side of a handshake, on the connection's own thread."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager


class _Own(ssl.SSLSocket):
    """Closes itself: where a caller is gone already, `wrap_socket` raises and hands out nothing to close."""

    def __del__(self) -> None:
        self.close()


@contextmanager
def secured(request: socket.socket, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """After the handshake; one that fails leaves no open socket. Raises OSError."""
    request.settimeout(20)
    context.sslsocket_class = _Own
    with context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as wrapped:
        wrapped.do_handshake()
        yield wrapped
