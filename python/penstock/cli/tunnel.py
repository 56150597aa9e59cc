"""The way from a local socket to a connection: one engine client, dialled with the stored login."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from penstock.cli import config as configs
from penstock.cli import environment
from penstock.cli.client import client, require_token
from penstock.cli.config import Config
from penstock.cli.debug import start_logging
from penstock.cli.errors import Refusal, note
from penstock.cli.state import State
from penstock.cli.types import Json

POSTGRES_SOCKET = ".s.PGSQL.5432"
"""What libpq appends to a host that is a folder (PostgreSQL, libpq, §32.1.1)."""

# sun_path holds 104 bytes on macOS and 108 on Linux, the final zero among them.
_SOCKET_PATH_BYTES = 103


class Tunnel(Protocol):
    """An engine client: every connection to a forwarded socket becomes one session."""

    def check(self, connection: str) -> None:
        """Proves that the gateway is reachable and takes the credential."""

    def forward(self, connection: str, listen: str) -> str:
        """Listens at `HOST:PORT` or `unix:PATH`; returns the bound address."""

    def notices(self, timeout_seconds: float) -> Mapping[str, str | None] | None:
        """The next thing that went wrong with a forwarded connection; None if nothing did in that time."""

    def drain(self, timeout_seconds: float) -> bool:
        """Stops listening and waits so long for open sessions; whether all have ended. To be repeated."""

    def shutdown(self) -> None:
        """Stops listening and ends every stream."""


Dial: TypeAlias = Callable[[dict[str, Json]], Tunnel]
"""Makes a tunnel from an engine client's settings."""


@contextmanager
def open_tunnel(state: State, name: str) -> Iterator[tuple[Tunnel, Json]]:
    """A tunnel and the connection's description. Refuses connections that are unknown or not allowed."""
    config = configs.load(state.home)
    token = require_token(state, config)
    with client(state, config, token) as api:
        connection = api.get("connections", name)
    if connection.get("online") is False:
        agent = connection.get("agent")
        note("warning", f"agent {agent} is offline; {name} cannot be reached until it is back")
    start_logging(state)
    tunnel = (state.dial or _dial)(link_settings(config, token))
    try:
        tunnel.check(name)
        yield tunnel, connection
    finally:
        tunnel.shutdown()


def _dial(settings: dict[str, Json]) -> Tunnel:
    from penstock.engine.client import Client

    return Client(settings)


def link_settings(config: Config, token: str) -> dict[str, Json]:
    """How the stored login's links are dialled, in the words of the engine's client."""
    if not config.grpc_url:
        raise Refusal("The gateway's gRPC address is not known yet.", hint="Run: penstock login")
    return {
        "url": config.grpc_url,
        "token": token,
        "ca_pin": config.grpc_ca_pin or None,
        "ca_pem": environment.ca_pem(),
        "server_name": environment.server_name(),
        "https_proxy": environment.https_proxy(),
        "no_proxy": environment.no_proxy(),
        "insecure": bool(config.insecure) or environment.insecure(),
        "keepalive_seconds": environment.keepalive_seconds(),
    }


@contextmanager
def private_folder(socket: str) -> Iterator[Path]:
    """A new 0700 folder whose path leaves room for a socket of this name; removed at the end."""
    base = Path(tempfile.gettempdir())
    if len(bytes(base / "penstock-XXXXXXXX" / socket)) > _SOCKET_PATH_BYTES:
        base = Path("/tmp")  # noqa: S108 - the folder below it is made by mkdtemp
    folder = Path(tempfile.mkdtemp(prefix="penstock-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
