"""Where a load balancer stands, and how the file that is shipped for it is fitted to that place."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port, listens
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

DEPLOY = Path(__file__).parents[4] / "deploy"
"""The configurations that are shipped."""

IDLE_SECONDS = 5
"""The silence after which a load balancer of these tests cuts; shipped are minutes."""


@dataclass(frozen=True)
class Site:
    """What is before a load balancer, and behind it."""

    folder: Path
    processes: Processes
    peers: Peers
    wheels: Path
    """Where foreign Python packages are."""
    certificate: Issued
    """Of `localhost`."""
    http_port: int
    """The gateway's 8009."""
    grpc_port: int
    """The gateway's 8010."""
    port: int = field(default_factory=free_port)
    """The load balancer's own: it speaks TLS."""

    def written(self, name: str, text: str) -> Path:
        """A file of the load balancer's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / name
        file.write_text(text, "utf-8")
        return file


class Balancer(Protocol):
    """A load balancer in one process, which is replaced when it is started again."""

    site: Site
    process: Process

    def start(self) -> None:
        """Starts it, and waits until it listens."""

    def reload(self) -> None:
        """Has it read its configuration again, as an operator does; returns once the new one is in force."""

    def kill(self) -> None:
        """Ends it without a word, as when its machine fails."""


def fitted(shipped: str, changes: Mapping[str, str]) -> str:
    """The text of a file below `deploy`, with these words changed; AssertionError if one is not there."""
    text = (DEPLOY / shipped).read_text("utf-8")
    for old, new in changes.items():
        assert old in text, f"deploy/{shipped} has no {old!r}"
        text = text.replace(old, new)
    return text


def wait_for_port(process: Process, port: int) -> None:
    """Returns once it listens; AssertionError with its log if it ended instead."""

    def look() -> bool:
        if not process.running:
            raise AssertionError(f"{process.name} ended early:\n{process.log.read_text('utf-8')}")
        return listens(port)

    until(f"{process.name} listens", look)


def kill_all(port: int, *processes: Process) -> None:
    """SIGKILL of these and their children; returns once nobody listens on the port any more."""
    for process in processes:
        # Those that have ended already left their children, if any, in their group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    until("nobody listens any more", lambda: not listens(port))
