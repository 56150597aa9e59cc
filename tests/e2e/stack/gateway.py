"""A gateway in a home of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.e2e.stack.api import Api
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

ADMIN = "admin@test.example"


@dataclass
class Gateway:
    """Its ports stay the same when it is started again."""

    home: Path
    processes: Processes
    variables: Mapping[str, str] = field(default_factory=dict)
    role: str = "gateway"
    prefix: Sequence[str | Path] = ()
    """A command that changes what the gateway finds around it."""
    http_port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    process: Process = field(init=False)

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"https://127.0.0.1:{self.http_port}"

    @property
    def ca(self) -> Path:
        """Its own CA's certificate."""
        return self.home / "ca" / "ca.pem"

    def start(self) -> None:
        """Starts it, and waits until it says that it is well."""
        variables = {
            "HTTP_LISTEN": f"127.0.0.1:{self.http_port}",
            "GRPC_LISTEN": f"127.0.0.1:{self.grpc_port}",
            "ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
            "PENSTOCK_ADMIN_EMAIL": ADMIN,
            "PENSTOCK_ADMIN_PASSWORD": self.password,
            "DRAIN_SECONDS": "2",
            "LOG_LEVEL": "DEBUG",
            **self.variables,
        }
        command = [PENSTOCK, "start", self.role]
        inside = environment(self.home, variables)
        self.process = self.processes.start(self.role, command, inside, prefix=self.prefix)
        until(f"the {self.role} is ready", self._is_ready, 60)

    def admin(self, path: str) -> httpx.Response:
        """The answer of the admin port."""
        return httpx.get(f"http://127.0.0.1:{self.admin_port}/{path}", trust_env=False)

    def api(self, token: str | None = None) -> Api:
        """A client of its API."""
        return Api(self.url, self.ca, token)

    def _is_ready(self) -> bool:
        if not self.process.running:
            raise AssertionError(f"the {self.role} ended early:\n{self.process.log.read_text('utf-8')}")
        try:
            return self.admin("ready").status_code == 200
        except httpx.TransportError:
            return False
