"""The gateway's data plane."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from penstock import _core
from penstock.domain.addresses import Address
from penstock.domain.agent import AgentPresence
from penstock.domain.app import App, AppPresence
from penstock.domain.session import Meter, SessionStatus
from penstock.engine.codec import write_apps
from penstock.engine.decider import Reply
from penstock.engine.errors import core_errors


@dataclass(frozen=True, slots=True)
class TunnelConfig:
    """The port for links on mutual TLS: what it shows, and whose certificates it asks for."""

    listen: Address
    chain_pem: str
    key_pem: str = field(repr=False)
    client_ca_pem: str

    def as_shape(self) -> dict[str, str]:
        """Its part of the configuration."""
        return {
            "listen": str(self.listen),
            "cert_pem": self.chain_pem,
            "key_pem": self.key_pem,
            "client_ca_pem": self.client_ca_pem,
        }


@dataclass(frozen=True, slots=True)
class PublicConfig:
    """The port of the published apps: plain HTTP without a chain."""

    listen: Address
    chain_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)

    def as_shape(self) -> dict[str, Any]:
        """Its part of the configuration."""
        tls = None if self.chain_pem is None else {"cert_pem": self.chain_pem, "key_pem": self.key_pem}
        return {"listen": str(self.listen), "tls": tls}


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds every port and link, by the names of ``crates/gateway``."""

    connections: int
    handshake_seconds: int
    client_streams: int
    header_fields: int
    header_bytes: int
    resets_per_minute: int


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What the data plane is told. The chain is PEM, leaf first.

    ``trusted``: the networks of proxies that are believed about who calls.
    """

    http_listen: Address
    grpc_listen: Address
    admin_listen: Address | None
    api_socket: str
    chain_pem: str
    key_pem: str = field(repr=False)
    keepalive_seconds: int
    ask_timeout_seconds: int
    limits: Limits
    trusted: tuple[str, ...] = ()
    tunnel: TunnelConfig | None = None
    public: PublicConfig | None = None
    egress: Mapping[str, Any] | None = None
    """The forward proxy's configuration, as ``penstock.egress`` compiles it."""

    def as_json(self) -> str:
        """As ``crates/gateway`` reads it."""
        return json.dumps(
            {
                "http_listen": str(self.http_listen),
                "grpc_listen": str(self.grpc_listen),
                "admin_listen": None if self.admin_listen is None else str(self.admin_listen),
                "api_socket": self.api_socket,
                "trusted": list(self.trusted),
                "tls": {"cert_pem": self.chain_pem, "key_pem": self.key_pem},
                "keepalive_seconds": self.keepalive_seconds,
                "ask_timeout_seconds": self.ask_timeout_seconds,
                "tunnel": None if self.tunnel is None else self.tunnel.as_shape(),
                **({} if self.public is None else {"public": self.public.as_shape()}),
                **({} if self.egress is None else {"egress": self.egress}),
                **asdict(self.limits),
            }
        )


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the ports are, as bound."""

    http: str
    grpc: str
    admin: str | None
    tunnel: str | None = None
    public: str | None = None
    egress: tuple[str, ...] = ()


class Gateway:
    """Implements the ``Engine`` port. Without a public port there are no apps."""

    def __init__(self, config: GatewayConfig, ask: Callable[[str, Reply], None]) -> None:
        self._public = config.public is not None
        with core_errors():
            self._core = _core.Gateway(config.as_json(), ask)

    def start(self) -> Bound:
        """Binds the ports. Raises what the core says, naming the port that is taken."""
        with core_errors():
            bound = json.loads(self._core.start())
        return Bound(
            bound["http"],
            bound["grpc"],
            bound.get("admin"),
            bound.get("tunnel"),
            bound.get("public"),
            tuple(bound.get("egress", ())),
        )

    def ready(self, ready: bool) -> None:
        """What the health checks of the data plane answer."""
        with core_errors():
            self._core.ready(ready)

    def agents(self) -> Mapping[str, AgentPresence]:
        """The agents with at least one link up, by name."""
        with core_errors():
            shape: dict[str, Any] = json.loads(self._core.agents())
        return {name: _presence(agent) for name, agent in shape.items()}

    def apps(self) -> Mapping[str, AppPresence]:
        """The apps with at least one worker's link up, by name."""
        if not self._public:
            return {}
        with core_errors():
            shape: dict[str, Any] = json.loads(self._core.apps())
        return {name: AppPresence(a["workers"], a["links"], a["requests"]) for name, a in shape.items()}

    def sessions(self) -> Mapping[str, Meter]:
        """The live sessions, by identifier."""
        with core_errors():
            shape: dict[str, Any] = json.loads(self._core.sessions())
        return {session_id: Meter(**s) for session_id, s in shape.items()}

    def kill(self, session_id: str, status: SessionStatus, reason: str) -> bool:
        """Ends a live session; False if it is not live."""
        with core_errors():
            return self._core.kill(session_id, status.value, reason)

    def end_token(self, token_id: str) -> int:
        """Ends the links and sessions of a revoked token; how many sessions."""
        with core_errors():
            return self._core.end_token(token_id)

    def end_agent(self, name: str) -> int:
        """Drops the links of a removed agent; how many."""
        with core_errors():
            return self._core.end_agent(name)

    def end_certificate(self, fingerprint: str) -> None:
        """Ends the links of a revoked certificate."""
        with core_errors():
            self._core.end_certificate(fingerprint)

    def publish(self, apps: Sequence[App]) -> None:
        """These are all apps from now on. Links of workers that serve none of them end."""
        if self._public:
            with core_errors():
                self._core.publish(write_apps(apps))

    def forget_visitors(self) -> None:
        """Whoever entered an app is asked about again at the next request."""
        if self._public:
            with core_errors():
                self._core.forget_visitors()

    def reconfigure_egress(self, config: Mapping[str, Any]) -> None:
        """Puts another configuration of the forward proxy in force. If it raises, the old one stays whole."""
        with core_errors():
            self._core.reconfigure_egress(json.dumps(config))

    def shutdown(self, grace_seconds: float) -> None:
        """Lets live sessions finish for so long, then stops. Blocks: run it off the loop."""
        with core_errors():
            self._core.shutdown(grace_seconds)


def _presence(shape: dict[str, Any]) -> AgentPresence:
    since = datetime.fromtimestamp(shape["since"], UTC)
    return AgentPresence(links=shape["links"], streams=shape["streams"], since=since)
