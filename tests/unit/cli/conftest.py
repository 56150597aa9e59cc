"""A gateway of canned answers, a tunnel of symlinks, and a way to run a command against them."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from keyring.backends.fail import Keyring as NoKeyring
from penstock.cli.config import Config, save, write_private
from penstock.cli.run import run
from penstock.cli.state import State
from penstock.demo.account import database_account
from penstock.demo.ending import Ending
from penstock.demo.leftovers import Register
from penstock.demo.postgres import Passwords, Postgres
from penstock.demo.processes import Processes

TOKEN = "pst_test"


@dataclass
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its answer as JSON."""
        return json.loads(self.out)


@dataclass
class FakeGateway:
    """Answers by method and path (below /api), and remembers what was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """One exchange."""
        self.asked.append(request)
        key = f"{request.method} {request.url.path.removeprefix('/api')}"
        if key not in self.answers:
            return problem(404, "not-found", f"there is no {key}")
        answer = self.answers[key]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(request)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def bodies(self, key: str) -> list[Any]:
        """The JSON bodies that were sent to one place."""
        method, path = key.split(" ")
        return [
            json.loads(request.content)
            for request in self.asked
            if request.method == method and request.url.path == f"/api{path}"
        ]


def problem(status: int, code: str, detail: str, hint: str | None = None) -> httpx.Response:
    """An RFC 9457 answer."""
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    return httpx.Response(status, json={**body, "side": "client", "hint": hint})


@dataclass
class FakeTunnel:
    """Forwards to a PostgreSQL socket by linking to it; ports are only recorded."""

    settings: Mapping[str, Any]
    socket: Path | None = None
    forwards: list[tuple[str, str]] = field(default_factory=list)
    waiting: list[Mapping[str, str | None]] = field(default_factory=list)
    refusal: Exception | None = None
    closed: bool = False
    on_notices: Callable[[], None] | None = None
    on_drain: Callable[[], bool] = lambda: True
    """Whether no session is open any more."""

    def check(self, connection: str) -> None:
        if self.refusal:
            raise self.refusal

    def forward(self, connection: str, listen: str) -> str:
        self.forwards.append((connection, listen))
        if listen.startswith("unix:") and self.socket:
            Path(listen.removeprefix("unix:")).symlink_to(self.socket)
        return listen.replace(":0", ":49999") if listen.endswith(":0") else listen

    def notices(self, timeout_seconds: float) -> Mapping[str, str | None] | None:
        if self.on_notices:
            self.on_notices()
        return self.waiting.pop(0) if self.waiting else None

    def drain(self, timeout_seconds: float) -> bool:
        return self.on_drain()

    def shutdown(self) -> None:
        self.closed = True


class Shell:
    """Runs commands in a home of their own."""

    def __init__(
        self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.home = home
        self.gateway = FakeGateway()
        self.tunnel = FakeTunnel({})
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def log_in(self, **changes: str) -> None:
        """Writes what a login leaves."""
        settings = {
            "api_url": "https://gateway.test:8009",
            "grpc_url": "grpcs://gateway.test:8010",
            "email": "ann@example.com",
            "token_store": "file",
        }
        save(self.home, Config(**{**settings, **changes}))
        write_private(self.home / "token", TOKEN + "\n")

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        """Runs one command with this on its stdin, which is no terminal."""
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        state = State(home=self.home, transport=httpx.MockTransport(self.gateway), dial=self._dial)
        self._capsys.readouterr()
        code = run(arguments, state)
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err)

    def _dial(self, settings: Mapping[str, Any]) -> FakeTunnel:
        self.tunnel.settings = settings
        return self.tunnel


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A command line that nobody is logged in to."""
    for name in (
        "PENSTOCK_HOME",
        "PENSTOCK_TOKEN",
        "PENSTOCK_INSECURE",
        "TLS_CA",
        "TLS_SERVER_NAME",
        "DRAIN_SECONDS",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
        "NO_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("keyring.get_keyring", NoKeyring)
    return Shell(tmp_path / "home", capsys, monkeypatch)


@pytest.fixture
def signed_in(shell: Shell) -> Shell:
    """A command line with a login."""
    shell.log_in()
    return shell


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A real PostgreSQL with the demo's shop, which asks nobody for a password."""
    home = tmp_path_factory.mktemp("pg")
    processes = Processes(home / "logs", Register(home / "processes.json"), Ending())
    server = Postgres(home / "pg", home / "s", database_account(), Passwords("one", "two"))
    try:
        child = server.start(processes)
        server.fill()
        (home / "pg" / "data" / "pg_hba.conf").write_text("local all all trust\n")
        child.process.send_signal(signal.SIGHUP)
        child.wait_until("it trusts", lambda: _trusts(server), 10)
        yield server
    finally:
        processes.stop()


def _trusts(server: Postgres) -> bool:
    try:
        psycopg.connect(host=str(server.socket), user="shop", dbname="shop").close()
    except psycopg.OperationalError:
        return False
    return True
