"""Addresses as users write them: ``HOST:PORT`` and the URLs that a gateway advertises."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name or address, IPv6 without brackets) and a port, 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_host(text: str) -> bool:
    """Whether this is a host name or an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _HOST_NAME.fullmatch(text) is not None
    return True


def parse_port(text: str, *, lowest: int = 0) -> int:
    """A port number. Raises ``ValueError``."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and lowest <= int(text) <= 65535):
        raise ValueError(f"{text!r} is not a port ({lowest} to 65535)")
    return int(text)


def parse_address(text: str) -> Address:
    """Reads ``HOST:PORT``, IPv6 in brackets. Raises ``ValueError`` saying what is wrong."""
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is not HOST:PORT, for example 127.0.0.1:8009")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} needs brackets around its IPv6 address, for example [::1]:8009")
    if not is_host(host):
        raise ValueError(f"{host!r} is neither a host name nor an address")
    return Address(host, parse_port(port))


def advertised_url(text: str, schemes: tuple[str, ...]) -> str:
    """Checks a URL that others are told to use; a trailing slash goes. Raises ``ValueError``."""
    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname or not is_host(parts.hostname):
        raise ValueError(f"{text!r} is not a URL like {schemes[0]}://HOST:PORT")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("a user, a query or a fragment does not belong here")
    if parts.path not in ("", "/"):
        raise ValueError(f"a path like {parts.path!r} does not belong here: a whole host is needed")
    _ = parts.port  # raises ValueError if it is no port
    return text.rstrip("/")
