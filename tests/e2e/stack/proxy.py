"""`penstock start proxy`: a tunnel port for workers and a public one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until


@dataclass
class Proxy:
    """Its ports stay the same when it is started again."""

    home: Path
    processes: Processes
    certificate: Issued
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    public_port: int = field(default_factory=free_port)
    tunnel_port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    process: Process = field(init=False)

    @property
    def url(self) -> str:
        """The public side."""
        return f"http://127.0.0.1:{self.public_port}"

    def start(self) -> Process:
        """Starts it, and waits until it says that it is well."""
        command = [PENSTOCK, "start", "proxy", "--tunnel-listen", f"127.0.0.1:{self.tunnel_port}"]
        command += ["--public-listen", f"127.0.0.1:{self.public_port}"]
        command += ["--admin-listen", f"127.0.0.1:{self.admin_port}"]
        command += ["--cert", str(self.certificate.cert), "--key", str(self.certificate.key)]
        command += ["--workers-ca", str(self.certificate.ca), *self.options]
        variables = {"LOG_LEVEL": "DEBUG", **self.variables}
        self.process = self.processes.start("proxy", command, environment(self.home, variables))
        until("the proxy is ready", self._is_ready)
        return self.process

    def admin(self, path: str) -> httpx.Response:
        """The answer of the admin port."""
        return httpx.get(f"http://127.0.0.1:{self.admin_port}/{path}", trust_env=False)

    def _is_ready(self) -> bool:
        if not self.process.running:
            raise AssertionError(f"the proxy ended early:\n{self.process.log.read_text('utf-8')}")
        try:
            return self.admin("live").status_code == 200
        except httpx.TransportError:
            return False
