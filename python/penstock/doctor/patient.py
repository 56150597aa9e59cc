"""Whose way to the gateway is looked at: an agent's by its key, or a user's by the stored login."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from penstock.domain.agent_key import AgentKey, TunnelAddress
from penstock.domain.errors import malformed
from penstock.engine.forward_proxy import is_proxied
from penstock.settings import Settings

_TLS = ("grpcs", "https", "tls")
_TUNNEL = "tls"
_PORT, _TUNNEL_PORT = 8010, 8443
_KEEPALIVE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Api:
    """Where a user meets the REST API, and whom it believes there."""

    url: str
    trust: ssl.SSLContext | None


@dataclass(frozen=True, slots=True)
class Patient:
    """Who dials, where, and whom it believes."""

    link: Mapping[str, Any] = field(repr=False)
    """How its links are dialled, as the engine is told: ``url``, ``ca_pin`` and so on."""
    secret: str = field(repr=False)
    """The token, or the key's secret."""
    agent: str | None = None
    """The agent's name; None for a user, and where a certificate proves the agent."""
    api: Api | None = None

    @property
    def url(self) -> str:
        """The gateway's address, as in the key or login."""
        return str(self.link["url"])

    @property
    def tls(self) -> bool:
        """Whether it expects TLS."""
        return urlsplit(self.url).scheme in _TLS

    @property
    def tunnel(self) -> bool:
        """Whether it dials a tunnel port, with a certificate."""
        return urlsplit(self.url).scheme == _TUNNEL

    @property
    def host(self) -> str:
        """The name or address that it dials."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port that it dials."""
        return urlsplit(self.url).port or (_TUNNEL_PORT if self.tunnel else _PORT)

    @property
    def proxy(self) -> SplitResult | None:
        """The forward proxy on the way, if there is one. Raises ``malformed`` for what is none."""
        url = self.link.get("https_proxy")
        if not url or not is_proxied(self.url, url, self.link.get("no_proxy") or ""):
            return None
        return urlsplit(url if "://" in url else f"http://{url}")

    @property
    def first_hop(self) -> tuple[str, int]:
        """Whom TCP reaches: the forward proxy, or else the gateway and what is before it."""
        proxy = self.proxy
        if proxy is None:
            return self.host, self.port
        return proxy.hostname or "", proxy.port or (443 if proxy.scheme == "https" else 80)

    @property
    def authority(self) -> str:
        """Both, as a URL has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def expected_name(self) -> str:
        """The name that the certificate must hold."""
        return str(self.link.get("server_name") or self.host)

    @property
    def trusts(self) -> str:
        """Whom it believes, in words."""
        if self.link.get("ca_pin"):
            return "CA pinned"
        return "CA of TLS_CA" if self.link.get("ca_pem") else "system's CAs"

    @property
    def keepalive_seconds(self) -> int:
        """Silence after which its links are probed."""
        return int(self.link.get("keepalive_seconds") or _KEEPALIVE_SECONDS)

    def as_shape(self) -> dict[str, Any]:
        """As ``crates/probe`` reads it."""
        own = {"agent": self.agent, "secret": self.secret, "keepalive_seconds": self.keepalive_seconds}
        return {**self.link, **own}


def agent(settings: Settings) -> Patient:
    """The agent that these settings would start. Raises ``malformed``, without the key in its words."""
    if settings.key is None:
        raise malformed("there is no agent key", hint="set PENSTOCK_KEY, or give it with -e NAME")
    text = settings.key.get_secret_value()
    tunnel = TunnelAddress.parse(text)
    key = AgentKey(tunnel.url, "", "", tunnel.ca_pin) if tunnel else AgentKey.parse(text)
    link = {
        "url": key.url,
        "ca_pin": key.ca_pin,
        "ca_pem": None if settings.tls_ca is None else settings.tls_ca.get_secret_value(),
        "server_name": settings.tls_server_name,
        "https_proxy": None if settings.https_proxy is None else settings.https_proxy.get_secret_value(),
        "no_proxy": settings.no_proxy,
        "insecure": settings.insecure,
        "keepalive_seconds": settings.link_keepalive_seconds,
    }
    return Patient({**link, **(_certificate(settings) if tunnel else {})}, key.secret, key.name or None)


def _certificate(settings: Settings) -> dict[str, str]:
    if settings.tls_cert is None or settings.tls_key is None:
        raise malformed(
            "the key is tls://, and TLS_CERT or TLS_KEY is not set",
            hint="set both to what penstock pki issue NAME wrote",
        )
    return {
        "cert_pem": settings.tls_cert.get_secret_value(),
        "key_pem": settings.tls_key.get_secret_value(),
        "flavour": settings.tunnel_flavour,
    }
