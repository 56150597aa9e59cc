"""Those who connect and then say little or nothing."""

from __future__ import annotations

import contextlib
import socket
import ssl


def stranger(port: int, words: bytes) -> socket.socket:
    """Somebody who says this and then nothing."""
    client = socket.create_connection(("127.0.0.1", port), 30)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        client.sendall(words)
    client.setblocking(False)
    return client


def silent_tls(port: int) -> ssl.SSLSocket:
    """Somebody who finishes the handshake and then says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    client.setblocking(False)
    return client


def is_closed(client: socket.socket) -> bool:
    """True once the other side has closed."""
    try:
        while client.recv(65536):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    return True
