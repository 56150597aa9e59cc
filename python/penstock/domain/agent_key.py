"""The key that an agent dials with: ``grpcs://NAME:SECRET@HOST:8010?ca=sha256:HEX``.

Where a certificate proves the agent, no more than the address is left of it: ``tls://HOST:8443?ca=sha256:HEX``.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, urlsplit

from penstock.domain.errors import PenstockError, Side, malformed
from penstock.domain.names import NAME

_PIN = re.compile(r"sha256:[0-9a-f]{64}")
_PORTS = {"https": 443, "http": 80}
_TUNNEL, _TUNNEL_PORT = "tls", 8443
_HINT = "make a new one: penstock admin create agent NAME"


@dataclass(frozen=True, slots=True)
class AgentKey:
    """Where the gateway is, who the agent is, and the CA to expect there if it is the gateway's own."""

    url: str
    name: str
    secret: str = field(repr=False)
    ca_pin: str | None = None

    def __str__(self) -> str:
        scheme, _, rest = self.url.partition("://")
        pin = "" if self.ca_pin is None else f"?ca={self.ca_pin}"
        return f"{scheme}://{self.name}:{self.secret}@{rest}{pin}"

    @classmethod
    def parse(cls, text: str) -> "AgentKey":
        """Reads a key. Raises ``malformed``, without the key in its words; other parameters are ignored."""
        parts, port = _split(text)
        if parts.scheme not in ("grpcs", "grpc", "https", "http"):
            raise _bad("it does not begin with grpcs://")
        if not parts.username or not parts.password or not NAME.fullmatch(parts.username):
            raise _bad("it does not name an agent and its secret")
        url = _url(parts, port or _PORTS.get(parts.scheme, 8010))
        return cls(url, parts.username, parts.password, _pin(parts))


@dataclass(frozen=True, slots=True)
class TunnelAddress:
    """Where the gateway's tunnel port is, and the CA to expect there."""

    url: str
    ca_pin: str | None = None

    @classmethod
    def parse(cls, text: str) -> "TunnelAddress | None":
        """Reads an address; None if it is not of a tunnel port. Raises ``malformed``."""
        parts, port = _split(text)
        if parts.scheme != _TUNNEL:
            return None
        if parts.username or parts.password:
            raise _bad("tls:// takes no name and no secret: TLS_CERT and TLS_KEY say who the agent is")
        return cls(_url(parts, port or _TUNNEL_PORT), _pin(parts))


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text.strip())
        return parts, parts.port
    except ValueError:
        raise _bad("it is not a URL") from None


def _url(parts: SplitResult, port: int) -> str:
    if not parts.hostname:
        raise _bad("it does not name the gateway's host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _pin(parts: SplitResult) -> str | None:
    pin = parse_qs(parts.query).get("ca", [None])[0]
    if pin is not None and not _PIN.fullmatch(pin):
        raise _bad("its ca= is not sha256: and 64 hex digits")
    return pin


def _bad(why: str) -> PenstockError:
    error = malformed(f"PENSTOCK_KEY is not an agent's key: {why}", hint=_HINT)
    error.side = Side.AGENT
    return error
