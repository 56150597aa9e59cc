"""The forward proxy on the way to the gateway: `HTTPS_PROXY`, unless `NO_PROXY` names the gateway."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass

import httpx

from penstock.cli import environment
from penstock.cli.errors import Refusal

_BEYOND = "Can it resolve and reach the gateway itself? NO_PROXY names what is reached without it."
_HINTS = {
    407: "Write what it takes into HTTPS_PROXY: http://NAME:PASSWORD@HOST:PORT, %-encoded.",
    403: "Have its administrator allow CONNECT to the gateway; many proxies allow port 443 alone.",
    502: _BEYOND,
    503: _BEYOND,
    504: _BEYOND,
}
_NO_PROXY = "Is HTTPS_PROXY its address? NO_PROXY names what is reached without it."


@dataclass(frozen=True)
class ForwardProxy:
    """A proxy on the way to one gateway."""

    client: httpx.Proxy
    """As the HTTP client takes it."""

    @property
    def place(self) -> str:
        """Where it is; without its credential."""
        return self.client.url.netloc.decode("ascii")

    def refused(self, url: str, error: httpx.ProxyError) -> Refusal:
        """It did not let us through."""
        status = re.match(r"\d{3}", str(error))
        hint = _HINTS.get(int(status[0]) if status else 0, _NO_PROXY)
        return _lost(f"The forward proxy at {self.place} refused the way to {url}: {error}.", hint)

    def unreachable(self, error: httpx.TransportError) -> Refusal:
        """It is not there."""
        why = str(error) or "no answer in time"
        return _lost(f"The forward proxy at {self.place} cannot be reached: {why}.", _NO_PROXY)


def before(url: str) -> ForwardProxy | None:
    """The proxy on the way to a URL, if there is one. Raises what is wrong with HTTPS_PROXY."""
    https_proxy = environment.https_proxy()
    if https_proxy is None:
        return None
    from penstock.engine.forward_proxy import is_proxied

    if not is_proxied(url, https_proxy, environment.no_proxy() or ""):
        return None
    https_proxy = https_proxy if "://" in https_proxy else f"http://{https_proxy}"
    secure = https_proxy.lower().startswith("https://")
    # Its CA is that of the network it stands in, not the gateway's.
    trust = ssl.create_default_context() if secure else None
    return ForwardProxy(httpx.Proxy(https_proxy, ssl_context=trust))


def _lost(message: str, hint: str) -> Refusal:
    return Refusal(message, hint=hint, code="lost", side="client")
