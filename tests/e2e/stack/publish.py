"""What stands between the public and the test's application: HAProxy or Penstock, at each end."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.e2e.stack.haproxy import Edge, HAProxy
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port, listens
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.proxy import Proxy
from tests.e2e.stack.waiting import until
from tests.e2e.stack.worker import APPLICATION, Worker, importing


@dataclass(frozen=True)
class Certificates:
    """Who is who, all of one authority."""

    edge: Issued
    """Of the listener that workers dial: `localhost` and 127.0.0.1."""
    worker: Issued
    """Of `worker`."""
    device: Issued
    """Of `device`."""


@dataclass(frozen=True)
class Stage:
    """A folder, processes, and everything to start them with."""

    folder: Path
    processes: Processes
    peers: Peers
    certificates: Certificates

    def haproxy(self, release: str) -> HAProxy:
        """HAProxy of one of Debian's releases."""
        return HAProxy(self.peers, release, self.processes)

    def edge(self, release: str) -> Edge:
        """HAProxy as the edge, listening."""
        edge = Edge(self.haproxy(release), self.certificates.edge)
        edge.start()
        return edge

    def proxy(self, *options: str) -> Proxy:
        """A proxy, started."""
        proxy = Proxy(self.folder / "proxy", self.processes, self.certificates.edge, options)
        proxy.start()
        return proxy

    def worker(self, port: int, what: str = APPLICATION, *options: str) -> Worker:
        """A worker that dials this port, started."""
        worker = Worker(self.folder / "worker", self.processes, self.certificates.worker, port, what)
        worker.options += options
        worker.start()
        return worker

    def upstream(self) -> int:
        """The application behind an ordinary server, at this port."""
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            APPLICATION,
            "--port",
            str(port),
            "--log-level",
            "warning",
        ]
        self.processes.start("uvicorn", command, {**os.environ, **importing()})
        until("uvicorn listens", lambda: listens(port))
        return port


@contextmanager
def staged(folder: Path, peers: Peers, certificates: Certificates) -> Iterator[Stage]:
    """A stage whose processes end with it."""
    with Processes(folder / "logs") as processes:
        yield Stage(folder, processes, peers, certificates)


def caller(url: str, *, http2: bool = False) -> httpx.Client:
    """A client of the public side in clear that speaks only one version of HTTP."""
    # A context without roots: httpx would read those of the web for every client.
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    limits = httpx.Limits(max_connections=None)
    return httpx.Client(
        base_url=url, http1=not http2, http2=http2, verify=nobody, trust_env=False, timeout=30, limits=limits
    )


def wait_for_answer(url: str, *processes: Process) -> None:
    """Returns once the application answers there; AssertionError if one of the processes has ended."""

    def look() -> bool:
        for process in processes:
            if not process.running:
                raise AssertionError(f"{process.name} ended early:\n{process.log.read_text('utf-8')}")
        try:
            return client.get("/hello").status_code == 200
        except httpx.TransportError:
            return False

    with caller(url) as client:
        until(f"{url} answers", look)
