"""The `Gateway`: the port, CONNECT, the DNS cache, and the circuit breakers."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from penstock.domain.addresses import Address, is_host
from penstock.egress.dns import Dns, read_resolver
from penstock.egress.resources.resource import API, Count, Duration, Metadata, SomeDuration, Spec, Upgrade
from penstock.egress.values import Json

Port = Annotated[int, Field(ge=1, le=65535)]


class SocketAddress(Spec):
    """A host and a port."""

    address: str
    port_value: Port
    protocol: Literal["TCP", "UDP"] = "UDP"


class Resolver(Spec):
    """A name server."""

    socket_address: SocketAddress


class ResolverOptions(Spec):
    """How name servers are asked."""

    use_tcp_for_dns_lookups: bool = False
    no_default_search_domain: bool = False


class CaresDns(Spec):
    """Whom to ask."""

    resolvers: list[Resolver] = []
    dns_resolver_options: ResolverOptions = ResolverOptions()

    @model_validator(mode="after")
    def _can_be_asked_by_tcp(self) -> Self:
        if self.dns_resolver_options.use_tcp_for_dns_lookups and not self.resolvers:
            raise ValueError("useTcpForDnsLookups is for resolvers that are named; name them in resolvers")
        return self

    def compiled(self) -> Json:
        """Its part of the DNS cache."""
        tcp = self.dns_resolver_options.use_tcp_for_dns_lookups
        servers = [
            (Address(found.address, found.port_value), tcp or found.protocol == "TCP")
            for found in (resolver.socket_address for resolver in self.resolvers)
        ]
        return {
            "resolvers": [
                read_resolver(f"{'tcp' if by_tcp else 'udp'}://{server}") for server, by_tcp in servers
            ],
            "search": not self.dns_resolver_options.no_default_search_domain,
        }


class FailureRefreshRate(Spec):
    """Pauses between attempts that fail."""

    base_interval: SomeDuration
    max_interval: SomeDuration | None = None


class PendingRequests(Spec):
    """How many resolutions may be under way."""

    max_pending_requests: Count = 1024


class DnsCacheConfig(Spec):
    """The DNS cache."""

    dns_lookup_family: Literal["V4_PREFERRED", "V4_ONLY", "V6_ONLY", "AUTO", "ALL"] = "V4_PREFERRED"
    dns_refresh_rate: SomeDuration | None = None
    host_ttl: SomeDuration | None = None
    max_hosts: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    dns_failure_refresh_rate: FailureRefreshRate | None = None
    dns_cache_circuit_breaker: PendingRequests = PendingRequests()
    cares_dns: CaresDns = CaresDns()
    preresolve_hostnames: list[SocketAddress] = []
    dns_query_timeout: Duration | None = None

    @model_validator(mode="after")
    def _resolves_names(self) -> Self:
        for host in self.preresolve_hostnames:
            if not is_host(host.address):
                raise ValueError(f"{host.address!r} in preresolveHostnames is not a host name")
        return self

    def compiled(self) -> Json:
        """As the core reads it."""
        rate, failures = self.dns_refresh_rate, self.dns_failure_refresh_rate
        given = {
            "refresh_ms": rate,
            "host_ttl_ms": self.host_ttl,
            "max_hosts": self.max_hosts,
            "query_timeout_ms": self.dns_query_timeout,
        }
        backoff = None
        if failures is not None:
            # Ten times the first: Envoy's default.
            backoff = {
                "base_ms": failures.base_interval,
                "max_ms": failures.max_interval or 10 * failures.base_interval,
            }
        return {
            **Dns().compiled(),
            **{key: value for key, value in given.items() if value is not None},
            "family": self.dns_lookup_family,
            "failure_backoff": backoff,
            "max_pending_queries": self.dns_cache_circuit_breaker.max_pending_requests,
            "preresolve": [host.address.lower() for host in self.preresolve_hostnames],
            **self.cares_dns.compiled(),
        }


class CircuitBreakers(Spec):
    """How much at once, over all destinations."""

    max_connections: Count = 1024
    max_pending_requests: Count = 1024
    max_requests: Count = 1024
    max_retries: Count = 3
    track_remaining: bool = False

    def compiled(self) -> Json:
        """As the core reads it. One destination may use all of it, as there."""
        thresholds = {
            "connections": self.max_connections,
            "pending": self.max_pending_requests,
            "requests": self.max_requests,
            "retries": self.max_retries,
            "track_remaining": self.track_remaining,
        }
        return {"overall": thresholds, "destination": thresholds}


class DynamicForwardProxy(Spec):
    """What makes this a forward proxy. The address dialled is in the access log always."""

    dns_cache_config: DnsCacheConfig = DnsCacheConfig()
    circuit_breakers: CircuitBreakers = CircuitBreakers()
    save_upstream_address: bool = False


class HttpConnectionManagerSettings(Spec):
    """How the port speaks HTTP."""

    upgrades: list[Upgrade] = []
    stream_idle_timeout: Duration | None = None
    max_request_headers_kb: Annotated[int, Field(ge=8, le=1024)] | None = None

    @model_validator(mode="after")
    def _lets_websockets_pass(self) -> Self:
        if any(upgrade.websocket is not None and not upgrade.websocket.enabled for upgrade in self.upgrades):
            raise ValueError("websockets cannot be turned off for all; deny them by a route or a rule")
        if any(upgrade.connect_terminate is not None for upgrade in self.upgrades):
            raise ValueError("connectTerminate belongs to a route's options; here it is connect")
        return self

    @property
    def connect(self) -> bool:
        """Whether the port accepts CONNECT."""
        return any(upgrade.connect is not None and upgrade.connect.enabled for upgrade in self.upgrades)


class HttpOptions(Spec):
    """Options of all VirtualServices."""

    dynamic_forward_proxy: DynamicForwardProxy | None = None
    http_connection_manager_settings: HttpConnectionManagerSettings = HttpConnectionManagerSettings()


class Ref(Spec):
    """A resource by its name."""

    name: str
    namespace: str = "default"


class HttpGateway(Spec):
    """The options, and which VirtualServices are served."""

    options: HttpOptions = HttpOptions()
    virtual_service_selector: dict[str, str] = {}
    virtual_service_namespaces: list[str] = []
    virtual_services: list[Ref] = []

    def serves(self, metadata: Metadata) -> bool:
        """Whether this VirtualService is chosen: by name, or else by its labels and namespace."""
        if self.virtual_services:
            return any(
                (ref.name, ref.namespace) == (metadata.name, metadata.namespace)
                for ref in self.virtual_services
            )
        spaces = self.virtual_service_namespaces
        return (not spaces or "*" in spaces or metadata.namespace in spaces) and (
            self.virtual_service_selector.items() <= (metadata.labels or {}).items()
        )


class GatewayOptions(Spec):
    """Options of the port."""

    per_connection_buffer_limit_bytes: Annotated[int, Field(ge=1, le=64 << 20)] = 1 << 20


class GatewaySpec(Spec):
    """What a gateway does. Of the proxies in ``proxyNames``, this is one."""

    bind_address: str = "::"
    bind_port: Port = 8080
    http_gateway: HttpGateway = HttpGateway()
    options: GatewayOptions = GatewayOptions()
    ssl: bool = False
    use_proxy_proto: bool = False
    proxy_names: list[str] = []

    @model_validator(mode="after")
    def _binds_an_address(self) -> Self:
        if not is_host(self.bind_address):
            raise ValueError(f"bindAddress {self.bind_address!r} is not an address")
        return self


class Gateway(Spec):
    """The resource."""

    api_version: API
    kind: Literal["Gateway"]
    metadata: Metadata
    spec: GatewaySpec
    status: Any = None
