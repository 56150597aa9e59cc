"""A gateway behind a load balancer: everybody dials the load balancer, and it alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack.api import Api
from tests.e2e.stack.balancers.site import Balancer, Site
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.gateway import ADMIN, Gateway
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.stack import AGENT, Stack

KEEPALIVE_SECONDS = 1
"""A fifth of the silence after which the load balancers cut."""


@dataclass(frozen=True)
class Balanced:
    """Who is before it, and who behind."""

    balancer: Balancer
    stack: Stack
    trust: Mapping[str, str]
    """The environment of whoever believes the load balancer's certificate."""


@contextmanager
def balanced(
    folder: Path,
    peers: Peers,
    wheels: Path,
    certificate: Issued,
    make: Callable[[Site], Balancer],
    variables: Mapping[str, str] | None = None,
    grpc_host: str = "localhost",
) -> Iterator[Balanced]:
    """A load balancer, a gateway that advertises it, an agent and an administrator who came through it.

    Gateway and agent have the variables. The API is at ``localhost``.
    """
    with ExitStack() as exits:
        processes = exits.enter_context(Processes(folder / "logs"))
        gateway = Gateway(folder / "gateway", processes)
        ports = gateway.http_port, gateway.grpc_port
        site = Site(folder / "balancer", processes, peers, wheels, certificate, *ports)
        url = f"https://localhost:{site.port}"
        own = {"LINK_KEEPALIVE_SECONDS": str(KEEPALIVE_SECONDS), **(variables or {})}
        gateway.variables = {"API_URL": url, "GRPC_URL": f"grpcs://{grpc_host}:{site.port}", **own}
        gateway.start()
        balancer = make(site)
        balancer.start()
        api = exits.enter_context(Api(url, certificate.ca))
        api.log_in(ADMIN, gateway.password)
        trust = {"TLS_CA": str(certificate.ca)}
        stack = Stack(folder, processes, gateway, api, Cli(folder / "admin", processes, trust))
        stack.cli.log_in(url, ADMIN, gateway.password)
        stack.agent(AGENT, {**trust, **own})
        yield Balanced(balancer, stack, trust)
