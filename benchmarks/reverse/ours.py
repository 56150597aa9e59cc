"""Penstock's own ways: each end a process of its own, the links between them over mutual TLS."""

from __future__ import annotations

from benchmarks.measure.origin import wait
from benchmarks.reverse.asgi import python_path
from benchmarks.reverse.peers import haproxy_edge
from benchmarks.reverse.stage import APPLICATION, LINKS, Edge, Published, Stage
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process

# The logs of production.
_VARIABLES = {"LOG_LEVEL": "INFO"}


def both_ends(stage: Stage, name: str) -> Published:
    """Proxy and worker before the origin. Raises MissingWayError."""
    return _published(stage, name, proxy(stage, name), f"http://127.0.0.1:{stage.origin.port}")


def behind_haproxy(stage: Stage, name: str) -> Published:
    """HAProxy's edge and our worker before the origin. Raises MissingWayError."""
    return _published(stage, name, haproxy_edge(stage, "ours"), f"http://127.0.0.1:{stage.origin.port}")


def application(stage: Stage, name: str) -> Published:
    """Proxy, and the application in our worker. Raises MissingWayError."""
    return _published(stage, name, proxy(stage, name), APPLICATION)


def application_behind_haproxy(stage: Stage, name: str) -> Published:
    """HAProxy's edge, and the application in our worker. Raises MissingWayError."""
    return _published(stage, name, haproxy_edge(stage, "application"), APPLICATION)


def proxy(stage: Stage, name: str) -> Edge:
    """`penstock start proxy`, once it listens. Raises MissingWayError."""
    public, tunnels = free_port(), free_port()
    certificate = stage.certificates.edge
    command = [PENSTOCK, "start", "proxy", "--public-listen", f"127.0.0.1:{public}"]
    command += ["--tunnel-listen", f"127.0.0.1:{tunnels}"]
    command += ["--cert", str(certificate.cert), "--key", str(certificate.key)]
    command += ["--workers-ca", str(stage.certificates.worker.ca)]
    process = _start(stage, f"proxy {name}", command)
    wait(process, public, tunnels)
    return Edge(public, tunnels, process)


def worker(stage: Stage, name: str, tunnels: int, links: int, what: str) -> Process:
    """`penstock start worker` with so many links to a port."""
    certificate = stage.certificates.worker
    command = [PENSTOCK, "start", "worker", what, "--connect", f"127.0.0.1:{tunnels}"]
    command += ["--cert", str(certificate.cert), "--key", str(certificate.key), "--ca", str(certificate.ca)]
    return _start(stage, f"worker {name}", [*command, "--connections", str(links)])


def _published(stage: Stage, name: str, edge: Edge, what: str) -> Published:
    return Published(name, (edge.process, worker(stage, name, edge.tunnels, LINKS, what)), edge.public)


def _start(stage: Stage, name: str, command: list[str]) -> Process:
    label = name.replace(" ", "-")
    home = stage.room(label)
    return stage.processes.start(label, command, environment(home, {**_VARIABLES, **python_path()}))
