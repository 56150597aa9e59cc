"""An agent: dials its gateway for ever and opens what that asks, within its allow-list."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict, cast

from penstock import _core
from penstock.domain.agent_key import AgentKey
from penstock.domain.errors import PenstockError
from penstock.engine.errors import core_errors, parse_error


@dataclass(frozen=True, slots=True)
class AgentCertificate:
    """What proves an agent at a tunnel port: its chain in PEM, leaf first, and the key."""

    chain_pem: str
    key_pem: str = field(repr=False)
    flavour: str

    def as_shape(self) -> dict[str, str]:
        """Its part of the configuration."""
        return {"cert_pem": self.chain_pem, "key_pem": self.key_pem, "flavour": self.flavour}


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What an agent is told. Empty ``allow`` means what the gateway asks.

    With a ``certificate`` the key has no secret, and its name is for people.
    """

    key: AgentKey
    allow: Sequence[str]
    insecure: bool
    keepalive_seconds: int
    ca_pem: str | None = None
    server_name: str | None = None
    admin_listen: str | None = None
    certificate: AgentCertificate | None = None
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None

    def as_json(self) -> str:
        """As ``crates/agent`` reads it."""
        return json.dumps(
            {
                "url": self.key.url,
                "name": self.key.name,
                "secret": self.key.secret,
                "ca_pin": self.key.ca_pin,
                "ca_pem": self.ca_pem,
                "server_name": self.server_name,
                "https_proxy": self.https_proxy,
                "no_proxy": self.no_proxy,
                "insecure": self.insecure,
                "allow": list(self.allow),
                "keepalive_seconds": self.keepalive_seconds,
                "admin_listen": self.admin_listen,
                **({} if self.certificate is None else self.certificate.as_shape()),
            }
        )


class _Standing(TypedDict):
    links: int
    dials: int


class Agent:
    """Runs on threads of the core."""

    def __init__(self, config: AgentConfig) -> None:
        with core_errors():
            self._core = _core.Agent(config.as_json())

    def start(self) -> None:
        """Begins to dial; returns at once."""
        with core_errors():
            self._core.start()

    def wait(self, timeout_seconds: float) -> PenstockError | None:
        """What ended the agent, if something did that redialling cannot mend. Blocks: run it off the loop."""
        ended = self._core.wait(timeout_seconds)
        return None if ended is None else parse_error(ended)

    @property
    def links(self) -> int:
        """Links that are up."""
        return self._standing()["links"]

    @property
    def dials(self) -> int:
        """Attempts to dial, since the start."""
        return self._standing()["dials"]

    def shutdown(self, grace_seconds: float) -> None:
        """Lets open streams finish for so long, then stops. Blocks: run it off the loop."""
        with core_errors():
            self._core.shutdown(grace_seconds)

    def _standing(self) -> _Standing:
        with core_errors():
            return cast("_Standing", json.loads(self._core.state()))
