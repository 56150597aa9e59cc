"""What all ways are built from."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack.peers import Peers
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Processes


@dataclass(frozen=True)
class Stage:
    """A folder, processes, foreign programs, and the database."""

    folder: Path
    processes: Processes
    tools: Peers
    """Those of the tests."""
    peers: Peers
    """What only this benchmark needs."""
    server: Postgres
    exits: ExitStack
    """Ends what is not a single process."""

    def room(self, name: str) -> Path:
        """A new folder."""
        room = self.folder / name
        room.mkdir(mode=0o700)
        return room
