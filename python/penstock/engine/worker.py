"""A worker: dials a proxy for ever and serves its requests with an upstream or an application."""

import json
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypedDict, cast

from penstock import _core
from penstock.domain.errors import PenstockError
from penstock.engine.errors import core_errors, parse_error

Flavour: TypeAlias = Literal["h2", "rh2"]
"""Who sends the HTTP/2 preface: the worker, as HAProxy expects, or the proxy, as the IETF draft says."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker is told."""

    connect: str
    chain_pem: str
    key_pem: str = field(repr=False)
    ca_pem: str | None = None
    server_name: str | None = None
    connections: int = 1
    streams: int = 100
    flavour: Flavour = "h2"
    keepalive_seconds: int = 15
    admin_listen: str | None = None
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None

    def as_json(self) -> str:
        """As ``crates/worker`` reads it."""
        return json.dumps(
            {
                "connect": self.connect,
                "cert_pem": self.chain_pem,
                "key_pem": self.key_pem,
                "ca_pem": self.ca_pem,
                "server_name": self.server_name,
                "https_proxy": self.https_proxy,
                "no_proxy": self.no_proxy,
                "connections": self.connections,
                "streams": self.streams,
                "flavour": self.flavour,
                "keepalive_seconds": self.keepalive_seconds,
                "admin_listen": self.admin_listen,
            }
        )


@dataclass(frozen=True, slots=True)
class Forward:
    """Serve with the upstream at this URL. ``ca_pem`` or the system's roots vouch for ``https://``."""

    url: str
    ca_pem: str | None = None


class _Standing(TypedDict):
    links: int
    error: object


class Worker:
    """Runs on threads of the core."""

    def __init__(self, config: WorkerConfig, serves: Forward | _core.AsgiApp) -> None:
        with core_errors():
            if isinstance(serves, Forward):
                self._core = _core.Worker(
                    config.as_json(), upstream=serves.url, upstream_ca_pem=serves.ca_pem
                )
            else:
                self._core = _core.Worker(config.as_json(), app=serves)

    def start(self) -> None:
        """Begins to dial; returns at once. Raises :class:`PenstockError` for what cannot be dialled."""
        with core_errors():
            self._core.start()

    @property
    def links(self) -> int:
        """Links that are up."""
        return self._standing()["links"]

    @property
    def error(self) -> PenstockError | None:
        """What kept the last attempt from succeeding."""
        error = self._standing()["error"]
        return None if error is None else parse_error(json.dumps(error))

    def ready(self, timeout_seconds: float) -> bool:
        """Whether every link has been up once, within so long. Blocks: run it off the loop."""
        with core_errors():
            return self._core.ready(timeout_seconds)

    def shutdown(self, grace_seconds: float) -> bool:
        """Lets requests in flight finish for so long, then stops; whether all did.

        Blocks: run it off the loop.
        """
        with core_errors():
            return self._core.shutdown(grace_seconds)

    def _standing(self) -> _Standing:
        with core_errors():
            return cast("_Standing", json.loads(self._core.state()))
