"""Penstock's own ways: gateway, agents and `penstock connect`, each a process of its own.

TLS and recording are on, as they are by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.access.database import way
from benchmarks.access.stage import Stage
from benchmarks.access.way import Access
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.stack import AGENT, Stack, running

GRPC = "penstock grpc"
TLS = "penstock tls"
AGENTLESS = "penstock no agent"
BYTES = "penstock bytes"
FSYNC = "penstock fsync"

QUIET = {"LOG_LEVEL": "INFO"}
"""The logs of production; the stack's own level is for tests."""

_TLS_AGENT = "tls"


def penstock(stage: Stage) -> Sequence[Access]:
    """One gateway with an agent in each carrier."""
    port = free_port()
    stack = quiet(stage.exits, stage.folder / "penstock", {"TUNNEL_LISTEN": f"127.0.0.1:{port}"})
    stack.certified_agent(_TLS_AGENT, QUIET)
    return [
        _way(stage, stack, GRPC, AGENT),
        _way(stage, stack, TLS, _TLS_AGENT),
        _way(stage, stack, AGENTLESS, None),
        _way(stage, stack, BYTES, AGENT, kind="tcp"),
    ]


def durable(stage: Stage) -> Sequence[Access]:
    """A gateway whose recordings survive a loss of power."""
    stack = quiet(stage.exits, stage.folder / "durable", {"RECORDING_LEVEL": "fsync"})
    return [_way(stage, stack, FSYNC, AGENT)]


def quiet(exits: ExitStack, folder: Path, variables: Mapping[str, str] | None = None) -> Stack:
    """A stack that logs as in production."""
    stack = exits.enter_context(running(folder, {**QUIET, **(variables or {})}))
    stack.agents[AGENT].stop()
    stack.start_agent(AGENT, QUIET)
    stack.wait_for_agent("online")
    return stack


def _way(stage: Stage, stack: Stack, name: str, agent: str | None, kind: str = "postgres") -> Access:
    settings = stage.server.env()
    if kind == "tcp":
        settings = {key: settings[key] for key in ("HOST", "PORT")}
    connection = stack.connection(name.replace(" ", "-"), settings, kind=kind, agent=agent)
    forward = stack.forward(connection)
    agents = (stack.agents[agent],) if agent else ()
    return way(stage.server, name, forward.port, (stack.gateway.process, *agents, forward.process))
