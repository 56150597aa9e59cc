"""The DNS cache."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from penstock.domain.addresses import is_host, parse_address
from penstock.egress.part import Part
from penstock.egress.values import (
    HOUR,
    MINUTE,
    SECOND,
    Addresses,
    Duration,
    Json,
    SomeDuration,
    Written,
    ip,
    several,
)

Family = Literal["auto", "v4_only", "v6_only", "v4_preferred", "all"]
_RESOLVER = re.compile(r"(?:(udp|tcp|tls)://)?([^#]+)(?:#(.+))?")
_PORTS = {"udp": 53, "tcp": 53, "tls": 853}
_EXAMPLE = '"10.0.0.2", "tcp://10.0.0.2:53" or "tls://9.9.9.9#dns.quad9.net"'


def read_resolver(value: object) -> Json:
    """Reads ``[udp://|tcp://|tls://]ADDRESS[:PORT][#NAME]``. Raises ``ValueError``."""
    found = _RESOLVER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is not a name server, for example {_EXAMPLE}")
    transport, server, tls_name = found[1] or "udp", found[2], found[3]
    if (transport == "tls") != (tls_name is not None) or (tls_name and not is_host(tls_name)):
        raise ValueError(f"{value!r}: a server asked by TLS, and no other, names its certificate: {_EXAMPLE}")
    bare = server.strip("[]")
    if server.count(":") != 1 and "]:" not in server:
        server = f"[{bare}]:{_PORTS[transport]}" if ":" in bare else f"{bare}:{_PORTS[transport]}"
    address = parse_address(server)
    ip(address.host)
    return {"address": str(address), "transport": transport, "tls_name": tls_name}


def _host(value: str) -> str:
    if not is_host(value):
        raise ValueError(f"{value!r} is not a host name")
    return value.lower().removesuffix(".")


class Backoff(Part):
    """Growing pauses."""

    base: SomeDuration = SECOND
    """The first."""
    max: SomeDuration = 10 * SECOND
    """The longest."""


class Dns(Part):
    """How names are resolved and kept."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = "egress"
    """The cache's name in statistics."""
    family: Family = "all"
    """Which addresses are used: `all` both, raced; `auto` IPv6 else IPv4; `v4_preferred` IPv4 else IPv6."""
    host_ttl: SomeDuration = 5 * MINUTE
    """A host that nobody asked for in this time is forgotten."""
    refresh: SomeDuration = 60 * SECOND
    """When an answer without a TTL is refreshed."""
    min_refresh: SomeDuration = 5 * SECOND
    """No answer is refreshed sooner, whatever its TTL."""
    refresh_on_failure: bool = True
    """Whether hosts that fail to refresh are tried again by themselves."""
    failure_backoff: Backoff | None = Backoff()
    """How failures are tried again."""
    max_hosts: Annotated[int, Field(ge=1, le=10_000_000)] = 1024
    """Hosts kept; the one asked for longest ago makes room. Names that do not exist never take a place."""
    negative_ttl: Duration = 5 * SECOND
    """How long a name that does not exist is remembered at the most."""
    query_timeout: Duration = 5 * SECOND
    """How long one resolution may take; 0: any time."""
    max_pending_queries: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """Resolutions under way at once; more are refused."""
    stale: Duration = HOUR
    """How long after its expiry an answer is used while the resolver fails; 0: not at all."""
    preresolve: Annotated[
        list[Annotated[str, AfterValidator(_host)]], BeforeValidator(several), Written("hosts")
    ] = []
    """Hosts that are resolved at start and kept for good."""
    static_hosts: dict[Annotated[str, AfterValidator(_host)], Addresses] = {}
    """Hosts that are never asked for: `"db.example.com" = "10.0.0.5"`."""
    resolvers: Annotated[
        list[Annotated[Json, BeforeValidator(read_resolver)]],
        BeforeValidator(several),
        Written("name servers"),
    ] = []
    """Whom to ask: `10.0.0.2`, `tcp://10.0.0.2:53`, `tls://9.9.9.9#NAME`. Unset: as `/etc/resolv.conf`."""
    search: bool = False
    """Whether the search domains of `/etc/resolv.conf` are tried."""
    hosts_file: bool = True
    """Whether `/etc/hosts` is read."""

    def compiled(self) -> Json:
        """As the core reads it."""
        return {**super().compiled(), "family": self.family.upper()}
