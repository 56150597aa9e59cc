"""A proxy: workers dial in, and the public's requests go out to them over their links."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from penstock import _core
from penstock.engine.errors import core_errors
from penstock.engine.worker import Flavour

SelectorKind = Literal["least-in-flight", "round-robin", "power-of-two", "cookie", "header", "custom"]
DEFAULT_GROUP = "default"
"""The group of workers and routes that name none."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Workers with such a name, ``*`` standing for any characters, serve for a group."""

    name: str
    group: str = DEFAULT_GROUP


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A port for workers. Without ``allow``: every certificate of the CA, for the default group."""

    listen: str
    chain_pem: str
    workers_ca_pem: str
    key_pem: str = field(repr=False)
    allow: tuple[Allowed, ...] = ()
    flavours: tuple[Flavour, ...] = ("h2", "rh2")

    def as_shape(self) -> dict[str, Any]:
        """Its part of the configuration."""
        return {
            "listen": self.listen,
            "cert_pem": self.chain_pem,
            "key_pem": self.key_pem,
            "workers_ca_pem": self.workers_ca_pem,
            "allow": [{"name": allowed.name, "group": allowed.group} for allowed in self.allow],
            "flavours": ["swap" if flavour == "h2" else flavour for flavour in self.flavours],
        }


@dataclass(frozen=True, slots=True)
class Public:
    """A port for the public: plain HTTP without a chain, perhaps behind something that ends TLS."""

    listen: str
    chain_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)
    behind_tls: bool = False

    def as_shape(self) -> dict[str, Any]:
        """Its part of the configuration."""
        tls = None if self.chain_pem is None else {"cert_pem": self.chain_pem, "key_pem": self.key_pem}
        return {"listen": self.listen, "tls": tls, "behind_tls": self.behind_tls}


@dataclass(frozen=True, slots=True)
class Route:
    """What a group serves: a host (``*`` for any, ``*.`` for all below), and a prefix of the path."""

    group: str = DEFAULT_GROUP
    host: str = "*"
    path: str = "/"
    connect: bool = False

    def as_shape(self) -> dict[str, Any]:
        """Its part of the configuration."""
        return {"host": self.host, "path": self.path, "group": self.group, "connect": self.connect}


@dataclass(frozen=True, slots=True)
class Selector:
    """How a worker is chosen; ``name`` is of the cookie or the header."""

    kind: SelectorKind = "least-in-flight"
    name: str | None = None

    def as_shape(self) -> dict[str, str]:
        """Its part of the configuration."""
        return {"kind": self.kind} if self.name is None else {"kind": self.kind, "name": self.name}


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How requests are passed on, by the names of ``crates/ingress``."""

    head_seconds: int = 60
    idle_seconds: int = 3600
    wait_milliseconds: int = 2000
    waiting: int = 1000
    retries: int = 2
    streams: int = 1000
    keepalive_seconds: int = 15
    handshake_seconds: int = 10
    access_log: bool = False

    def as_shape(self) -> dict[str, int]:
        """Its part of the configuration."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """What a proxy is told. ``trusted``: the networks of proxies that are believed about who calls."""

    tunnels: tuple[Tunnel, ...]
    public: tuple[Public, ...] = ()
    routes: tuple[Route, ...] = ()
    selector: Selector = Selector()
    forwarding: Forwarding = Forwarding()
    trusted: tuple[str, ...] = ()
    admin_listen: str | None = None

    def as_json(self) -> str:
        """As ``crates/ingress`` reads it."""
        return json.dumps(
            {
                "tunnels": [tunnel.as_shape() for tunnel in self.tunnels],
                "public": [public.as_shape() for public in self.public],
                "admin_listen": self.admin_listen,
                "table": table(self.routes, self.groups(), self.selector),
                "forwarding": self.forwarding.as_shape(),
                "limits": {"trusted": list(self.trusted)},
            }
        )

    def groups(self) -> frozenset[str]:
        """Every group that a tunnel names."""
        return frozenset(allowed.group for tunnel in self.tunnels for allowed in tunnel.allow)


def table(routes: Sequence[Route], groups: frozenset[str], selector: Selector) -> dict[str, Any]:
    """Who serves what, as ``crates/ingress`` reads it: every group chooses in the same way."""
    named = {DEFAULT_GROUP} | groups | {route.group for route in routes}
    return {
        "routes": [route.as_shape() for route in routes],
        "groups": [{"name": name, "selector": selector.as_shape()} for name in sorted(named)],
    }


@dataclass(frozen=True, slots=True)
class AttachedWorker:
    """A worker with at least one link, known by its certificate, and what it does at this moment.

    ``fingerprint``: SHA-256 of the certificate's DER, in hex. ``in_flight``: requests that it serves;
    ``requests``: those that it was given.
    """

    name: str
    names: tuple[str, ...]
    common_name: str | None
    fingerprint: str
    group: str
    links: int
    in_flight: int
    requests: int
    since: datetime


@dataclass(frozen=True, slots=True)
class SelectRequest:
    """A request for which a worker is chosen. Header names are in lower case."""

    method: str
    host: str | None
    target: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for each, value in self.headers if each == name.lower()), None)


class Choice(Protocol):
    """Takes one choice, from any thread; later ones change nothing."""

    def make(self, place: int | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the ports are, as bound."""

    tunnels: tuple[str, ...]
    public: tuple[str, ...]
    admin: str | None


Watch = Callable[[str, str], None]
Select = Callable[[str, Choice], None]


class Proxy:
    """Runs on threads of the core, which call ``watch`` and ``select``; both must return at once."""

    def __init__(self, config: ProxyConfig, watch: Watch, select: Select | None = None) -> None:
        self._config = config
        with core_errors():
            self.core = _core.Proxy(config.as_json(), watch, select)

    def start(self) -> Bound:
        """Binds the ports. Raises what the core says, naming the port that is taken."""
        with core_errors():
            bound = json.loads(self.core.start())
        return Bound(tuple(bound["tunnels"]), tuple(bound["public"]), bound["admin"])

    def workers(self) -> tuple[AttachedWorker, ...]:
        """Those that are attached."""
        with core_errors():
            return tuple(_worker(shape) for shape in json.loads(self.core.workers()))

    def revoke(self, who: str) -> int:
        """Ends the links of a worker by a name or its fingerprint, and takes no more; how many."""
        with core_errors():
            return self.core.revoke(who)

    def restore(self, who: str) -> bool:
        """Takes links of a revoked worker again; False if it was not revoked."""
        with core_errors():
            return self.core.restore(who)

    def publish(self, routes: Sequence[Route]) -> None:
        """These are all routes from now on. Raises for one that cannot be; the old ones stay."""
        with core_errors():
            self.core.publish(json.dumps(table(routes, self._config.groups(), self._config.selector)))

    def shutdown(self, grace_seconds: float) -> None:
        """Lets requests in flight finish for so long, then stops. Blocks: run it off the loop."""
        with core_errors():
            self.core.shutdown(grace_seconds)


def read_worker(text: str) -> AttachedWorker:
    """What ``watch`` was told."""
    return _worker(json.loads(text))


def read_select(text: str) -> tuple[SelectRequest, tuple[AttachedWorker, ...]]:
    """What ``select`` was asked."""
    shape = json.loads(text)
    headers = tuple((str(name), str(value)) for name, value in shape["headers"])
    request = SelectRequest(shape["method"], shape["host"], shape["target"], headers)
    return request, tuple(_worker(worker) for worker in shape["workers"])


def _worker(shape: Mapping[str, Any]) -> AttachedWorker:
    return AttachedWorker(
        name=shape["name"],
        names=tuple(shape["names"]),
        common_name=shape["common_name"],
        fingerprint=shape["fingerprint"],
        group=shape["group"],
        links=shape["links"],
        in_flight=shape["in_flight"],
        requests=shape["requests"],
        since=datetime.fromtimestamp(shape["since"], UTC),
    )
