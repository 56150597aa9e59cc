"""Five hundred agents, and a gateway that is started again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack.api import Api
from tests.e2e.stack.gateway import ADMIN, Gateway
from tests.e2e.stack.herd import LINKS
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.waiting import until

AGENTS = 500
SECONDS = 240.0
"""Patience of a machine that is busy with other things."""
_TREE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Herd:
    """The process that they are in."""

    process: subprocess.Popen[str]

    def ask(self) -> dict[str, Any]:
        """How many have all their links, and how often each has dialled."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def wait(self) -> list[int]:
        """Until all are whole; how often each has dialled by then."""
        told = until("all agents have all links", lambda: self._whole(), SECONDS)
        dials: list[int] = told["dials"]
        return dials

    def _whole(self) -> dict[str, Any] | None:
        told = self.ask()
        return told if told["whole"] == AGENTS else None


@contextmanager
def herd(keys: Path) -> Iterator[Herd]:
    """All agents, dialling."""
    command = [sys.executable, "-m", "tests.e2e.stack.herd", str(keys)]
    process = subprocess.Popen(command, cwd=_TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Herd(process)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.timeout(600)
def test_five_hundred_agents_come_back(tmp_path: Path) -> None:
    """With few attempts: while nobody answers an agent dials for one link alone, and ever more seldom."""
    with Processes(tmp_path / "logs") as processes:
        gateway = Gateway(tmp_path / "gateway", processes, {"LOG_LEVEL": "INFO"})
        gateway.start()
        with gateway.api() as api:
            keys = tmp_path / "keys"
            keys.write_text(made(api, gateway.password), "ascii")
        with herd(keys) as agents:
            before = agents.wait()
            assert online(gateway) == {"agents": AGENTS, "links": AGENTS * LINKS}
            assert gateway.process.stop() == 0
            gateway.start()
            again = [after - first for after, first in zip(agents.wait(), before, strict=True)]
            assert online(gateway) == {"agents": AGENTS, "links": AGENTS * LINKS}
            # Without back-off there would be hundreds; with every link on its own, four times as many.
            assert sum(again) / AGENTS < LINKS + 12
            assert max(again) < LINKS + 30


def made(api: Api, password: str) -> str:
    """New agents' keys, one in each line."""
    api.log_in(ADMIN, password)
    return "\n".join(api.post("agents", name=f"agent-{number}")["key"] for number in range(AGENTS))


def online(gateway: Gateway) -> dict[str, int]:
    """As the gateway counts them."""
    agents = gateway.admin("stats").json()["agents"].values()
    return {"agents": len(agents), "links": sum(agent["links"] for agent in agents)}
