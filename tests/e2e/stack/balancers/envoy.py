"""Envoy before a gateway, with `deploy/envoy/envoy.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.stack.balancers.site import IDLE_SECONDS, Site, fitted, kill_all, wait_for_port
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process
from tests.e2e.stack.waiting import until

# How long a process that was replaced goes on with what it has; Envoy's own is a quarter of an hour.
_LAST_SECONDS = 3


@dataclass
class Envoy:
    """One process, and during a hot restart the one before it."""

    site: Site
    process: Process = field(init=False)
    _epoch: int = 0
    _admin: int = field(default_factory=free_port)

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        self._epoch = 0
        self.process = self._run("--use-dynamic-base-id")
        wait_for_port(self.process, self.site.port)

    def reload(self) -> None:
        """A hot restart: another process takes the port, and the one before it is given some time."""
        before, base = self.process, self._base.read_text("ascii").strip()
        self._epoch += 1
        self.process = self._run("--base-id", base, "--restart-epoch", str(self._epoch))
        until("the Envoy before has ended", lambda: not before.running)
        assert self.process.running, self.process.log.read_text("utf-8")

    def kill(self) -> None:
        """SIGKILL, as when its machine fails."""
        kill_all(self.site.port, self.process)

    @property
    def _base(self) -> Path:
        return self.site.folder / "base-id"

    def _run(self, *options: str) -> Process:
        config = self.site.written("envoy.yaml", self._fitted())
        program = self.site.wheels / "envoy" / "_bin" / "envoy"
        times = ("--drain-time-s", "1", "--parent-shutdown-time-s", str(_LAST_SECONDS))
        command: list[str | Path] = [
            program,
            "-c",
            config,
            "--log-level",
            "warning",
            "--concurrency",
            "2",
            *times,
            *options,
        ]
        return self.site.processes.start("envoy", [*command, "--base-id-path", self._base])

    def _fitted(self) -> str:
        changes = {
            "address: 0.0.0.0, port_value: 443 ": f"address: 127.0.0.1, port_value: {self.site.port} ",
            "port_value: 15000 ": f"port_value: {self._admin} ",
            "port_value: 8009 ": f"port_value: {self.site.http_port} ",
            "port_value: 8010 ": f"port_value: {self.site.grpc_port} ",
            "/etc/envoy/gateway.pem": str(self.site.certificate.cert),
            "/etc/envoy/gateway.key": str(self.site.certificate.key),
            "stream_idle_timeout: 300s": f"stream_idle_timeout: {IDLE_SECONDS}s",
        }
        return fitted("envoy/envoy.yaml", changes)
