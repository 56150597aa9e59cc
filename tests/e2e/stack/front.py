"""HAProxy before a gateway, in every way in which a load balancer tells who calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.e2e.stack.gateway import Gateway
from tests.e2e.stack.haproxy import HAProxy
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port, listens
from tests.e2e.stack.processes import Process
from tests.e2e.stack.waiting import until

CALLER = "203.0.113.9"
"""Who calls the port that ends TLS, as one more proxy before it would say."""

_CONFIG = """
global
    log stderr format raw daemon
defaults
    mode http
    timeout connect 10s
    timeout client 1m
    timeout server 1m
frontend terminated
    bind 127.0.0.1:{front.tls_port} ssl crt {front.certificate.bundle} alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto https
    http-request add-header X-Forwarded-For {caller}
    option forwardfor
    default_backend http2
backend http2
    server gateway 127.0.0.1:{front.gateway.http_port} proto h2
frontend forwarded
    bind 127.0.0.1:{front.forwarded_port}
    default_backend rfc7239
backend rfc7239
    option forwarded proto host for
    server gateway 127.0.0.1:{front.gateway.http_port}
listen version_1
    mode tcp
    bind 127.0.0.1:{front.v1_port}
    server gateway 127.0.0.1:{front.gateway.http_port} send-proxy
listen version_2
    mode tcp
    bind 127.0.0.1:{front.v2_port}
    server gateway 127.0.0.1:{front.gateway.grpc_port} send-proxy-v2
listen tunnel
    mode tcp
    bind 127.0.0.1:{front.tunnel_port}
    server gateway 127.0.0.1:{front.gateway_tunnel_port} send-proxy-v2
"""


@dataclass
class Front:
    """One HAProxy, one gateway behind it. Only the first port ends TLS, for 8009 alone."""

    haproxy: HAProxy
    certificate: Issued
    gateway: Gateway
    gateway_tunnel_port: int
    tls_port: int = field(default_factory=free_port)
    """Ends TLS; all goes to 8009 by HTTP/2, with `X-Forwarded-…`."""
    forwarded_port: int = field(default_factory=free_port)
    """Plain; to 8009 by HTTP/1.1, with `Forwarded` (RFC 7239)."""
    v1_port: int = field(default_factory=free_port)
    """Bytes to 8009 after a PROXY header, version 1."""
    v2_port: int = field(default_factory=free_port)
    """Bytes to 8010, version 2."""
    tunnel_port: int = field(default_factory=free_port)
    """Bytes to 8443, version 2."""
    process: Process = field(init=False)

    @property
    def url(self) -> str:
        """What the gateway is reached at, by another name than its own."""
        return f"https://localhost:{self.tls_port}"

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        config = self.gateway.home.parent / "front.cfg"
        config.write_text(_CONFIG.format(front=self, caller=CALLER), "ascii")
        self.process = self.haproxy.run("front", config, {})
        until("HAProxy listens", lambda: listens(self.tls_port) and listens(self.tunnel_port))
