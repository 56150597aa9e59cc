"""The same sessions, and the same echo, with each load balancer in between, and with none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.access.database import way
from benchmarks.access.ours import QUIET, quiet
from benchmarks.access.way import Access
from benchmarks.measure.added import DIRECT
from benchmarks.proxied.echo import Chain, Ends
from tests.e2e.stack.balanced import balanced
from tests.e2e.stack.balancers.envoy import Envoy
from tests.e2e.stack.balancers.haproxy import HAProxy
from tests.e2e.stack.balancers.nginx import Nginx
from tests.e2e.stack.balancers.site import Balancer, Site
from tests.e2e.stack.peers import Peers, cache
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.wheels import installed

BALANCERS: dict[str, Callable[[Site], Balancer]] = {"nginx": Nginx, "HAProxy": HAProxy, "Envoy": Envoy}
# An echo has no answer to HAProxy's check.
_BEFORE_ECHO: dict[str, Callable[[Site], Balancer]] = {**BALANCERS, "HAProxy": partial(HAProxy, checks=False)}

WAYS = (DIRECT, *BALANCERS)

_NO_PORT = 9
"""discard: an echo has no API behind it."""


@dataclass(frozen=True)
class Stage:
    """What all ways are built from."""

    folder: Path
    processes: Processes
    peers: Peers
    certificate: Issued
    """Of localhost."""
    server: Postgres
    exits: ExitStack
    """Ends what is not a single process."""


def session(stage: Stage, name: str) -> Access:
    """Sessions whose client and agent both dial by way of a load balancer, or the gateway itself."""
    folder = stage.folder / f"session-{name}"
    if name == DIRECT:
        return _access(stage, quiet(stage.exits, folder), name)
    found = stage.exits.enter_context(
        balanced(folder, stage.peers, installed(cache()), stage.certificate, BALANCERS[name], QUIET)
    )
    return _access(stage, found.stack, name, found.balancer.process)


def echo(stage: Stage, name: str) -> Chain:
    """An echo whose two hops both go by way of a load balancer, or straight on."""
    ends = Ends(stage.processes, stage.certificate)
    plain = name == DIRECT
    server = ends.serve(tls=plain)
    if plain:
        relay = ends.pass_on(ends.server, tls=True)
        return Chain(name, (relay, server), ends, ends.relay)
    last = _balancer(stage, name, ends.server)
    relay = ends.pass_on(last.site.port, tls=False)
    first = _balancer(stage, name, ends.relay)
    return Chain(name, (first.process, relay, last.process, server), ends, first.site.port)


def _access(stage: Stage, stack: Stack, name: str, *between: Process) -> Access:
    forward = stack.forward(stack.connection("postgres", stage.server.env()))
    processes = (stack.gateway.process, stack.agents[AGENT], forward.process, *between)
    return way(stage.server, name, forward.port, processes)


def _balancer(stage: Stage, name: str, port: int) -> Balancer:
    folder = stage.folder / f"echo-{name}-{port}"
    wheels, certificate = installed(cache()), stage.certificate
    site = Site(folder, stage.processes, stage.peers, wheels, certificate, _NO_PORT, port)
    balancer = _BEFORE_ECHO[name](site)
    balancer.start()
    return balancer
