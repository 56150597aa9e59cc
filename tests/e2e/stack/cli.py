"""The command line, run as a program runs it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.processes import Process, Processes

_SECONDS = 120


@dataclass(frozen=True)
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its answer."""
        return json.loads(self.out)

    @property
    def problem(self) -> dict[str, Any]:
        """Its refusal, after `-o json`."""
        assert self.code == 1, self
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        return found


@dataclass(frozen=True)
class Cli:
    """One user's login, in a home of its own."""

    home: Path
    processes: Processes
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "") -> Result:
        """Runs a command to its end."""
        done = subprocess.run(
            [PENSTOCK, *arguments],
            env=environment(self.home, self.variables),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """The stdout of a command that must succeed."""
        result = self.run(*arguments, stdin=stdin)
        assert result.code == 0, result
        return result.out

    def json(self, *arguments: str, stdin: str = "") -> Any:
        """The JSON answer of a command that must succeed."""
        return json.loads(self.ok(*arguments, "-o", "json", stdin=stdin))

    def log_in(self, url: str, email: str, password: str) -> None:
        """Logs in at a gateway on this machine."""
        self.ok("login", "--api-url", url, "--email", email, "--password-stdin", stdin=password + "\n")

    def connect(self, name: str, *options: str) -> Forward:
        """A running `penstock connect`."""
        command = [PENSTOCK, "connect", name, "-o", "json", *(options or ("--port", "0"))]
        process = self.processes.start(f"connect-{name}", command, environment(self.home, self.variables))
        return Forward(process, json.loads(process.wait_for_line()))


@dataclass(frozen=True)
class Forward:
    """A local way to a connection."""

    process: Process
    place: dict[str, Any]

    @property
    def port(self) -> int:
        """The local port."""
        return int(self.place["port"])

    def notices(self) -> list[dict[str, Any]]:
        """What it told of sessions that did not come to be."""
        return [json.loads(line) for line in self.process.log.read_text("utf-8").splitlines()]
