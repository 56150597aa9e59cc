"""What the gateway says of itself."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from penstock.domain.addresses import Address

_WILDCARDS = ("0.0.0.0", "::", "127.0.0.1", "::1")  # noqa: S104 - compared with, not bound
_TLS = ("https", "grpcs")
_PORTS = {"https": 443, "http": 80}
_GRPC = {"https": "grpcs", "http": "grpc"}


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The addresses to use, and the gateway's own CA if peers meet it.

    ``ca_pem`` is the own CA; the pins are there if the advertised address leads to it.
    """

    version: str
    api_url: str
    grpc_url: str
    ca_pem: str | None
    api_ca_pin: str | None
    grpc_ca_pin: str | None


@dataclass(frozen=True, slots=True)
class Advertised:
    """What an operator said of the addresses that others use; None leaves it to us."""

    api_url: str | None
    grpc_url: str | None
    ca_pin: bool | None


def describe_server(
    version: str, said: Advertised, http: Address, grpc: Address, ca_pem: str | None, ca_pin: str | None
) -> ServerInfo:
    """``http`` and ``grpc`` are the ports as bound."""
    api_url = said.api_url or f"https://{_reachable(http)}"
    grpc_url = said.grpc_url or _beside(said.api_url) or f"grpcs://{_reachable(grpc)}"
    ours = {http.port, grpc.port}
    return ServerInfo(
        version=version,
        api_url=api_url,
        grpc_url=grpc_url,
        ca_pem=ca_pem,
        api_ca_pin=ca_pin if _meets_us(api_url, ours, said.ca_pin) else None,
        grpc_ca_pin=ca_pin if _meets_us(grpc_url, ours, said.ca_pin) else None,
    )


def _reachable(bound: Address) -> Address:
    return Address("localhost", bound.port) if bound.host in _WILDCARDS else bound


def _beside(api_url: str | None) -> str | None:
    """Where gRPC is, if only the API's address is told: the port of the one serves the other too."""
    if api_url is None:
        return None
    parts = urlsplit(api_url)
    address = Address(parts.hostname or "", parts.port or _PORTS[parts.scheme])
    return f"{_GRPC[parts.scheme]}://{address}"


def _meets_us(url: str, ports: set[int], said: bool | None) -> bool:
    """Behind another port something else ends TLS, as far as one can tell."""
    parts = urlsplit(url)
    if parts.scheme not in _TLS:
        return False
    return said if said is not None else (parts.port or _PORTS.get(parts.scheme, 8010)) in ports
