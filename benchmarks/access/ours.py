"""Penstock's own ways: gateway, agents and `penstock connect`, each a process of its own.

TLS and recording are on, as they are by default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.access.database import way
from benchmarks.access.way import Way
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Process
from tests.e2e.stack.stack import AGENT, Stack, running

GRPC = "penstock grpc"
TLS = "penstock tls"
AGENTLESS = "penstock no agent"

# The logs of production; the stack's own level is for tests.
_QUIET = {"LOG_LEVEL": "INFO"}


@dataclass(frozen=True)
class Ours:
    """The ways, and the processes that the first of them passes."""

    ways: tuple[Way, ...]
    processes: dict[str, Process]
    version: str


@contextmanager
def penstock(folder: Path, server: Postgres) -> Iterator[Ours]:
    """A whole Penstock before the database."""
    port = free_port()
    with running(folder, {**_QUIET, "TUNNEL_LISTEN": f"127.0.0.1:{port}"}) as stack:
        stack.agents[AGENT].stop()
        names = {GRPC: _grpc_agent(stack), TLS: _tls_agent(stack, port), AGENTLESS: None}
        ways: list[Way] = []
        processes = {"gateway": stack.gateway.process, "agent": stack.agents["grpc"]}
        for name, agent in names.items():
            connection = stack.connection(name.replace(" ", "-"), server.env(), agent=agent)
            forward = stack.forward(connection)
            processes.setdefault("client", forward.process)
            ways.append(way(server, name, forward.port))
        yield Ours(tuple(ways), processes, stack.cli.ok("version").strip())


def _grpc_agent(stack: Stack) -> str:
    stack.agent("grpc", _QUIET)
    return "grpc"


def _tls_agent(stack: Stack, port: int) -> str:
    """An agent that dials the tunnel port with a certificate that was issued on the gateway's machine."""
    name = "tls"
    local = Cli(stack.gateway.home, stack.processes)
    local.log_in(stack.gateway.url, ADMIN, stack.gateway.password)
    stack.api.post("agents", name=name)
    issued = local.json("pki", "issue", name)
    variables = {
        "PENSTOCK_KEY": f"tls://127.0.0.1:{port}?ca={issued['ca_pin']}",
        "TLS_CERT": issued["cert"],
        "TLS_KEY": issued["key"],
        **_QUIET,
    }
    own = environment(stack.folder / f"agent-{name}", variables)
    stack.agents[name] = stack.processes.start(name, [PENSTOCK, "start", "agent"], own)
    stack.wait_for_agent("online", name)
    return name
