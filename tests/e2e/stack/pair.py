"""Two gateways of one store behind HAProxy, which asks each for its health and prefers the first."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN, Gateway
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.ports import free_port, listens
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

AGENT = "office"
_CONFIG = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen grpc
    bind 127.0.0.1:{port}
    option httpchk GET /api/healthz
    default-server check check-ssl verify none inter 200ms fall 1 rise 1
    server first 127.0.0.1:{first.grpc_port} port {first.http_port}
    server second 127.0.0.1:{second.grpc_port} port {second.http_port} backup
"""


@dataclass(frozen=True)
class Pair:
    """An agent and a user, who know nothing but the balancer's address."""

    first: Gateway
    second: Gateway
    agent: Process
    cli: Cli

    def has_agent(self, gateway: Gateway) -> bool:
        """Whether the agent has all its links there."""
        agents = gateway.admin("stats").json()["agents"]
        return bool(agents.get(AGENT, {}).get("links") == 4)


@contextmanager
def paired(folder: Path, peers: Peers, env: dict[str, str]) -> Iterator[Pair]:
    """Both gateways ready, the agent at the first, with the connection `db` to an upstream."""
    with ExitStack() as exits:
        processes = exits.enter_context(Processes(folder / "logs"))
        port = free_port()
        shared = {"GRPC_URL": f"grpcs://localhost:{port}", "ADVERTISE_CA_PIN": "true", "DRAIN_SECONDS": "300"}
        first = Gateway(folder / "first", processes, shared)
        first.start()
        with first.api() as api:
            api.log_in(ADMIN, first.password)
            key = api.post("agents", name=AGENT)["key"]
            api.post("connections", name="db", type="postgres", agent=AGENT, env=env, groups=[])
        cli = Cli(folder / "admin", processes)
        cli.log_in(first.url, ADMIN, first.password)
        second = _copied(first, folder / "second")
        config = folder / "haproxy.cfg"
        config.write_text(_CONFIG.format(port=port, first=first, second=second), "ascii")
        command = [*peers.command("trixie", "usr/sbin/haproxy"), "-db", "-f", str(config)]
        processes.start("haproxy", command)
        until("HAProxy listens", lambda: listens(port))
        variables = {"PENSTOCK_KEY": key, "LOG_LEVEL": "DEBUG"}
        home = environment(folder / "agent", variables)
        found = Pair(first, second, processes.start(AGENT, [PENSTOCK, "start", "agent"], home), cli)
        until("the agent is at the first", lambda: found.has_agent(first))
        yield found


def _copied(first: Gateway, home: Path) -> Gateway:
    """Another of the same store: as it was while the first did not run."""
    assert first.process.stop() == 0
    shutil.copytree(first.home, home, ignore=shutil.ignore_patterns("run"))
    second = Gateway(home, first.processes, first.variables, password=first.password)
    second.start()
    first.start()
    return second
