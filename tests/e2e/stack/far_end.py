"""The other end of a link, frame by frame: a proxy for a worker to dial, or a worker that dials a proxy."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from h2.settings import SettingCodes

from tests.e2e.stack.http2 import Http2, dial
from tests.e2e.stack.pki import Issued

FLAVOURS = {"h2": True, "rh2": False}
"""ALPN names, and whether who dialled sends the preface although it serves."""

_SECONDS = 20.0


@dataclass(frozen=True)
class TunnelPort:
    """A tunnel port whose owner does as the test says."""

    listener: socket.socket
    context: ssl.SSLContext

    @property
    def port(self) -> int:
        """Where workers may dial."""
        return int(self.listener.getsockname()[1])

    def accept(self) -> ssl.SSLSocket:
        """The next worker, after the handshake."""
        tcp, _ = self.listener.accept()
        tcp.settimeout(_SECONDS)
        return self.context.wrap_socket(tcp, server_side=True)

    def link(self, settings: dict[SettingCodes, int] | None = None) -> Http2:
        """The next worker's link, which asks."""
        tls = self.accept()
        return Http2(tls, client=True).begin(settings, reversed_=FLAVOURS[tls.selected_alpn_protocol() or ""])


@contextmanager
def tunnel_port(certificate: Issued) -> Iterator[TunnelPort]:
    """A port on loopback, on mutual TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    context.load_verify_locations(certificate.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(list(FLAVOURS))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_SECONDS)
        yield TunnelPort(listener, context)


def dialled(port: int, certificate: Issued | None, ca: Issued, flavour: str = "h2") -> ssl.SSLSocket:
    """A worker's TLS connection to a proxy, after the handshake."""
    context = ssl.create_default_context(cafile=str(ca.ca))
    context.set_alpn_protocols([flavour])
    if certificate is not None:
        context.load_cert_chain(certificate.cert, certificate.key)
    return context.wrap_socket(dial(port), server_hostname="localhost")


def link(
    port: int, certificate: Issued, flavour: str = "h2", settings: dict[SettingCodes, int] | None = None
) -> Http2:
    """A worker's link to a proxy, which serves."""
    tls = dialled(port, certificate, certificate, flavour)
    assert tls.selected_alpn_protocol() == flavour
    return Http2(tls, client=False).begin(settings, reversed_=FLAVOURS[flavour])
