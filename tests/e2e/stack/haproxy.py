"""HAProxy with the configurations that are shipped, as the edge and as the device that dials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port, listens
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

SHIPPED = Path(__file__).parents[3] / "deploy" / "haproxy"
"""Where the configurations are."""


@dataclass(frozen=True)
class HAProxy:
    """HAProxy of one of Debian's releases."""

    peers: Peers
    release: str
    processes: Processes

    def check(self, config: Path, variables: Mapping[str, str]) -> None:
        """`haproxy -c`; AssertionError with what it says if it takes exception to anything."""
        checker = self._start("haproxy-check", ["-c", "-f", config], variables)
        code, told = checker.wait(), checker.log.read_text("utf-8")
        assert code == 0 and "WARNING" not in told, told

    def run(self, name: str, config: Path, variables: Mapping[str, str], *options: str) -> Process:
        """A running HAProxy."""
        return self._start(f"haproxy-{name}", ["-db", "-f", config, *options], variables)

    def _start(self, name: str, arguments: list[str | Path], variables: Mapping[str, str]) -> Process:
        command = [*self.peers.command(self.release, "usr/sbin/haproxy"), *arguments]
        return self.processes.start(name, command, {**os.environ, **variables})


@dataclass
class Edge:
    """HAProxy before workers. Its ports stay the same when it is started again."""

    haproxy: HAProxy
    certificate: Issued
    config: Path = SHIPPED / "haproxy.cfg"
    worker: str = "worker"
    """The name in the certificate of the workers it takes."""
    public_port: int = field(default_factory=free_port)
    tunnel_port: int = field(default_factory=free_port)
    process: Process = field(init=False)

    @property
    def url(self) -> str:
        """The public side."""
        return f"http://127.0.0.1:{self.public_port}"

    @property
    def variables(self) -> dict[str, str]:
        """What the configuration takes from its environment."""
        return {
            "PUBLIC_LISTEN": f"127.0.0.1:{self.public_port}",
            "TUNNEL_LISTEN": f"127.0.0.1:{self.tunnel_port}",
            "EDGE_PEM": str(self.certificate.bundle),
            "WORKERS_CA": str(self.certificate.ca),
            "WORKER_NAME": self.worker,
        }

    def start(self) -> None:
        """Starts it, and waits until both ports listen."""
        self.process = self.haproxy.run("edge", self.config, self.variables)
        until("HAProxy listens", self._listens)

    def _listens(self) -> bool:
        if not self.process.running:
            raise AssertionError(f"HAProxy ended early:\n{self.process.log.read_text('utf-8')}")
        return listens(self.public_port) and listens(self.tunnel_port)


def device(haproxy: HAProxy, certificate: Issued, proxy: int, app: int) -> Process:
    """HAProxy that dials the proxy at this port, named `localhost`, and serves the application there."""
    variables = {
        "PROXY": f"127.0.0.1:{proxy}",
        "PROXY_NAME": "localhost",
        "PROXY_CA": str(certificate.ca),
        "DEVICE_PEM": str(certificate.bundle),
        "APP": f"127.0.0.1:{app}",
    }
    return haproxy.run("device", SHIPPED / "device.cfg", variables)
