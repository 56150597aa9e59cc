"""`penstock doctor` with an agent's key, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.processes import Processes


@dataclass(frozen=True)
class Examined:
    """What the doctor said."""

    code: int
    checks: dict[str, dict[str, Any]]
    """Every line by the name of its check."""

    @property
    def failed(self) -> list[str]:
        """The checks that failed."""
        return [name for name, check in self.checks.items() if check["status"] == "failed"]

    def diagnosis(self, check: str) -> str | None:
        """The name of what was found."""
        found = self.checks[check]["diagnosis"]
        return None if found is None else str(found["name"])


@dataclass(frozen=True)
class Subject:
    """An agent whose way is looked at."""

    name: str
    secret: str
    processes: Processes
    home: Path
    ca: str
    """Whom it trusts, unless its key says otherwise."""

    def key(self, port: int, scheme: str = "grpcs", host: str = "localhost", pin: str | None = None) -> str:
        """Its key for a port."""
        return f"{scheme}://{self.name}:{self.secret}@{host}:{port}" + (f"?ca={pin}" if pin else "")

    def examine(self, key: str, *options: str, **variables: str) -> Examined:
        """Runs the doctor with this key."""
        own = {"AGENT_KEY": key, "TLS_CA": self.ca, "LINK_KEEPALIVE_SECONDS": "1", **variables}
        own = {name: value for name, value in own.items() if value}
        done = Cli(self.home, self.processes, own).run("doctor", "-e", "AGENT_KEY", "-o", "json", *options)
        return examined(done.code, done.json)


def examined(code: int, answer: dict[str, Any]) -> Examined:
    """A program's view of the doctor's answer."""
    found = Examined(code, {check["check"]: check for check in answer["checks"]})
    assert answer["ok"] is (code == 0) is (not found.failed), answer
    return found
