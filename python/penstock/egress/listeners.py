"""The ports, and what holds for CONNECT on them."""

from pydantic import Field

from penstock.egress.part import Part, PemFile
from penstock.egress.values import Json, Listen, Name, Networks, Ports


class Tls(Part):
    """What a port shows, and whose certificates it asks for."""

    cert: PemFile
    """The certificate and its chain, leaf first."""
    key: PemFile = Field(repr=False)
    """Its private key."""
    client_ca: PemFile | None = None
    """The CA of the callers' certificates. With it a caller may show one, and is known by it."""

    def compiled(self) -> Json:
        """As the core reads it."""
        return {"cert_pem": self.cert, "key_pem": self.key, "client_ca_pem": self.client_ca}


class Listener(Part):
    """One port: HTTP/1.1 and HTTP/2, plain or TLS."""

    address: Listen
    """Where it listens; port 0 takes any free one."""
    name: Name = "egress"
    """What it is called in logs and metrics."""
    tls: Tls | None = None
    """Speaks TLS to callers (an HTTPS proxy)."""
    proxy_protocol: Networks = []
    """Load balancers before it, whose PROXY protocol header (version 1 or 2) is required and believed."""
    connect: bool | None = None
    """Whether it accepts CONNECT. Unset: as `connect.enabled`."""


class Connect(Part):
    """What holds for every CONNECT."""

    enabled: bool = False
    """Whether the ports accept it at all."""
    ports: Ports = [{"first": 443, "last": 443}]
    """Ports that may be its target; a rule that names ports itself is stronger."""
    require_tls_name: bool = False
    """Whether a tunnel must begin with TLS that names the destination, unless a rule says otherwise."""

    def compiled(self) -> Json:
        """As the core reads it; `enabled` has become the listeners'."""
        return {"ports": self.ports, "require_tls_name": self.require_tls_name}
