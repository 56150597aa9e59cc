"""A gateway with a public port, and workers of the test's application behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.logs import lines
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.stack import Stack, running
from tests.e2e.stack.waiting import until
from tests.e2e.stack.worker import Worker

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass
class Published:
    """A gateway that publishes apps, and a command line on its machine."""

    stack: Stack
    cli: Cli
    public: int
    """The public port."""
    tunnel: int
    """The port that workers dial."""
    workers: dict[str, Worker] = field(default_factory=dict)

    def app(self, name: str, *options: str) -> dict[str, Any]:
        """A new app at `NAME.test`."""
        found: dict[str, Any] = self.cli.json(
            "admin", "create", "app", name, "--route", f"{name}.test", *options
        )
        return found

    def serve(self, name: str, app: str | None = None) -> Worker:
        """A worker whose certificate has this name, once its links are up."""
        before = self.links(app or name)
        worker = self.workers[name] = Worker(
            self.stack.folder / f"worker-{name}", self.stack.processes, self.issue(name), self.tunnel
        )
        worker.start()
        until(f"{name} serves", lambda: self.links(app or name) == before + 4)
        return worker

    def issue(self, name: str) -> Issued:
        """A certificate by the command line."""
        found = self.cli.json("pki", "issue", name)
        return Issued(Path(found["cert"]), Path(found["key"]), Path(found["ca"]), found["fingerprint"])

    def links(self, app: str) -> int:
        """The links of an app's workers."""
        return int(self.stack.api.get(f"apps/{app}")["links"])

    def host(self, app: str) -> str:
        """What browsers and programs call an app."""
        return f"{app}.test:{self.public}"

    def client(self, app: str, token: str | None = None, *, browser: bool = False) -> httpx.Client:
        """A client of an app: a program, or a browser, which says where its forms come from."""
        headers = {"host": self.host(app), "accept": BROWSER if browser else "*/*"}
        if browser:
            headers["origin"] = f"http://{self.host(app)}"
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        url = f"http://127.0.0.1:{self.public}"
        return httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30)

    def told(self, **what: Any) -> dict[str, Any]:
        """A line of the gateway's log with all of this, as soon as there is one."""

        def fits(line: dict[str, Any]) -> bool:
            return all(line.get(key) == value for key, value in what.items())

        def look() -> dict[str, Any] | None:
            return next(filter(fits, lines(self.stack.gateway.process.log)), None)

        return until(f"the gateway tells {what}", look)


class Form(HTMLParser):
    """The form of a page: where it goes, and its fields as they are filled."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes forms and inputs."""
        known = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = known["action"]
        elif tag == "input":
            self.fields[known["name"]] = known.get("value", "")


@contextmanager
def publishing(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[Published]:
    """A stack of its own, the gateway with more variables."""
    public, tunnel = free_port(), free_port()
    variables = {"PUBLIC_LISTEN": f"127.0.0.1:{public}", "TUNNEL_LISTEN": f"127.0.0.1:{tunnel}"}
    with running(folder, {**variables, **(more or {})}) as stack:
        cli = Cli(stack.gateway.home, stack.processes)
        cli.log_in(stack.gateway.url, ADMIN, stack.gateway.password)
        yield Published(stack, cli, public, tunnel)
