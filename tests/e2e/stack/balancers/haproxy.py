"""HAProxy before a gateway, with `deploy/haproxy/access.cfg`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.e2e.stack import haproxy
from tests.e2e.stack.balancers.site import IDLE_SECONDS, Site, fitted, kill_all, wait_for_port
from tests.e2e.stack.processes import Process
from tests.e2e.stack.waiting import until


@dataclass
class HAProxy:
    """One process, and after a reload those before it, as long as they have links."""

    site: Site
    release: str = "sid"
    checks: bool = True
    """Whether it asks how the links' end fares; what is no gateway may have no answer."""
    process: Process = field(init=False)
    _earlier: list[Process] = field(default_factory=list)

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        self._run()
        wait_for_port(self.process, self.site.port)

    def reload(self) -> None:
        """`-sf`: another process takes the port, and the one before finishes what it has."""
        before = self.process
        self._earlier.append(before)
        self._run("-sf", str(before.pid))
        until("the HAProxy before listens no more", lambda: not _listening(before.pid))

    def kill(self) -> None:
        """SIGKILL of every process, as when its machine fails."""
        kill_all(self.site.port, *self._earlier, self.process)

    def check(self) -> None:
        """`haproxy -c`; AssertionError with what it says if it takes exception to anything."""
        self._program().check(self._config(), self._variables())

    def _run(self, *options: str) -> None:
        self.process = self._program().run("access", self._config(), self._variables(), *options)

    def _program(self) -> haproxy.HAProxy:
        return haproxy.HAProxy(self.site.peers, self.release, self.site.processes)

    def _config(self) -> Path:
        idle = f"{IDLE_SECONDS}s"
        changes = {
            "timeout client          5m": f"timeout client {idle}",
            "timeout server          5m": f"timeout server {idle}",
            "timeout http-keep-alive 1m": f"timeout http-keep-alive {idle}",
            **({} if self.checks else {"proto h2 check": "proto h2"}),
        }
        return self.site.written("access.cfg", fitted("haproxy/access.cfg", changes))

    def _variables(self) -> dict[str, str]:
        return {
            "LISTEN": f"127.0.0.1:{self.site.port}",
            "GATEWAY_PEM": str(self.site.certificate.bundle),
            "GATEWAY_HTTP": f"127.0.0.1:{self.site.http_port}",
            "GATEWAY_GRPC": f"127.0.0.1:{self.site.grpc_port}",
        }


def _listening(pid: int) -> bool:
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(connection.status == psutil.CONN_LISTEN for connection in connections)
