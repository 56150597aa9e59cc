"""`penstock start egress`: a forward proxy with a configuration of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

APPLIED, REFUSED = "configuration applied", "configuration refused, the old one stays"


@dataclass
class Egress:
    """Its ports stay the same when it is started again."""

    home: Path
    processes: Processes
    text: str | None
    """Its configuration, if it has one."""
    variables: Mapping[str, str] = field(default_factory=dict)
    kind: str = "toml"
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    process: Process = field(init=False)

    @property
    def url(self) -> str:
        """Where callers reach it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def file(self) -> Path:
        """Its configuration."""
        return self.home / f"egress.{self.kind}"

    def start(self) -> None:
        """Starts it, and waits until it says that it is well."""
        self.home.mkdir(parents=True, exist_ok=True)
        options = [] if self.text is None else ["--config", str(self.file)]
        if self.text is not None:
            self.file.write_text(self.text)
        variables = {
            "EGRESS_LISTEN": f"127.0.0.1:{self.port}",
            "ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
            "DRAIN_SECONDS": "5",
            "LOG_LEVEL": "DEBUG",
            **self.variables,
        }
        command = [PENSTOCK, "start", "egress", *options]
        self.process = self.processes.start("egress", command, environment(self.home, variables))
        until("the forward proxy is ready", self._is_ready)

    def client(self, user: str | None = None, **more: Any) -> httpx.Client:
        """A client that goes through it; `user` is NAME:KEY."""
        proxy = self.url if user is None else self.url.replace("://", f"://{user}@")
        return httpx.Client(proxy=proxy, trust_env=False, timeout=20, **more)

    def admin(self, path: str) -> httpx.Response:
        """The answer of the admin port."""
        return httpx.get(f"http://127.0.0.1:{self.admin_port}/{path}", trust_env=False)

    def reconfigure(self, text: str, said: str = APPLIED) -> float:
        """Replaces the file as a whole; how many seconds until it was taken, or refused."""
        before = self.process.log.read_text("utf-8").count(said)
        started = time.monotonic()
        other = self.file.with_suffix(".new")
        other.write_text(text)
        other.replace(self.file)
        until(said, lambda: self.process.log.read_text("utf-8").count(said) > before)
        return time.monotonic() - started

    def access(self, after: int = 0, **wanted: Any) -> dict[str, Any]:
        """The first line of the access log, after so many, with these values, once it is there."""

        def look() -> dict[str, Any] | None:
            fitting = [line for line in self._access()[after:] if wanted.items() <= line.items()]
            return fitting[0] if fitting else None

        return until(f"the access log has a line with {wanted}", look)

    def lines(self) -> int:
        """How many lines the access log has."""
        return len(self._access())

    def _access(self) -> list[dict[str, Any]]:
        # The last line may not be whole yet.
        return [json.loads(line) for line in self.process.out.read_text("utf-8").split("\n")[:-1]]

    def _is_ready(self) -> bool:
        if not self.process.running:
            raise AssertionError(f"the forward proxy ended early:\n{self.process.log.read_text('utf-8')}")
        try:
            return self.admin("ready").status_code == 200
        except httpx.TransportError:
            return False
