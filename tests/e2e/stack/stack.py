"""Gateway, agent and administrator together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.stack.api import Api
from tests.e2e.stack.cli import Cli, Forward
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN, Gateway
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

AGENT = "office"


@dataclass
class Stack:
    """One of each; the agent is online when it is handed out."""

    folder: Path
    processes: Processes
    gateway: Gateway
    api: Api
    cli: Cli
    keys: dict[str, str] = field(default_factory=dict)
    """The agents' keys by their names."""
    agents: dict[str, Process] = field(default_factory=dict)
    _forwards: dict[str, Forward] = field(default_factory=dict)

    def agent(self, name: str, variables: Mapping[str, str] | None = None) -> Process:
        """A new agent, online."""
        self.keys[name] = self.api.post("agents", name=name)["key"]
        process = self.start_agent(name, variables)
        self.wait_for_agent("online", name)
        return process

    def start_agent(self, name: str, variables: Mapping[str, str] | None = None) -> Process:
        """A process with an agent's key."""
        own = {"PENSTOCK_KEY": self.keys[name], "LOG_LEVEL": "DEBUG", **(variables or {})}
        home = environment(self.folder / f"agent-{name}", own)
        process = self.agents[name] = self.processes.start(name, [PENSTOCK, "start", "agent"], home)
        return process

    def certified_agent(self, name: str, variables: Mapping[str, str] | None = None) -> Process:
        """A new agent, online, with a certificate of the gateway's own authority, on its tunnel port."""
        self.api.post("agents", name=name)
        issued = self.issue(name)
        port = self.gateway.variables["TUNNEL_LISTEN"].rpartition(":")[2]
        own = {
            "PENSTOCK_KEY": f"tls://127.0.0.1:{port}?ca={issued['ca_pin']}",
            "TLS_CERT": issued["cert"],
            "TLS_KEY": issued["key"],
            "LOG_LEVEL": "DEBUG",
            **(variables or {}),
        }
        home = environment(self.folder / f"agent-{name}", own)
        process = self.agents[name] = self.processes.start(name, [PENSTOCK, "start", "agent"], home)
        self.wait_for_agent("online", name)
        return process

    def issue(self, name: str) -> dict[str, Any]:
        """A certificate, by a command line on the gateway's machine."""
        local = Cli(self.gateway.home, self.processes)
        local.log_in(self.gateway.url, ADMIN, self.gateway.password)
        found: dict[str, Any] = local.json("pki", "issue", name)
        return found

    def wait_for_agent(self, status: str, name: str = AGENT, seconds: float = 30.0) -> None:
        """Waits until the API shows an agent so."""
        until(
            f"agent {name} is {status}",
            lambda: self.api.get(f"agents/{name}")["status"] == status,
            seconds,
        )

    def mend(self) -> None:
        """Starts again what a test has ended."""
        if not self.gateway.process.running:
            self.gateway.start()
        if not self.agents[AGENT].running:
            self.start_agent(AGENT)
        self.wait_for_agent("online")

    def connection(
        self,
        name: str,
        env: Mapping[str, str],
        *,
        kind: str = "postgres",
        agent: str | None = AGENT,
        groups: tuple[str, ...] = (),
    ) -> str:
        """Makes a connection; returns its name."""
        self.api.post("connections", name=name, type=kind, agent=agent, env=dict(env), groups=list(groups))
        return name

    def forward(self, name: str) -> Forward:
        """The administrator's `penstock connect` to a connection, one for all who ask."""
        known = self._forwards.get(name)
        if known is None or not known.process.running:
            known = self._forwards[name] = self.cli.connect(name)
        return known

    def user(self, email: str, *groups: str) -> Cli:
        """A new user who is logged in; the password is the e-mail address, twice."""
        self.api.post("users", email=email, password=email * 2, groups=list(groups))
        cli = Cli(self.folder / email, self.processes)
        cli.log_in(self.gateway.url, email, email * 2)
        return cli


@contextmanager
def running(
    folder: Path, variables: Mapping[str, str] | None = None, prefix: Sequence[str | Path] = ()
) -> Iterator[Stack]:
    """A whole stack, the gateway with these variables and this before its command."""
    with ExitStack() as exits:
        processes = exits.enter_context(Processes(folder / "logs"))
        server = Gateway(folder / "gateway", processes, variables or {}, prefix=prefix)
        server.start()
        api = exits.enter_context(server.api())
        api.log_in(ADMIN, server.password)
        stack = Stack(folder, processes, server, api, Cli(folder / "admin", processes))
        stack.cli.log_in(server.url, ADMIN, server.password)
        stack.agent(AGENT)
        yield stack
