"""The upstream of all ways: a PostgreSQL with pgbench's tables."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from penstock.demo.postgres import binaries

from benchmarks.access.way import Access
from benchmarks.measure.added import DIRECT
from tests.e2e.stack.postgres import DATABASE, Postgres
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

ROLE = "scram"

# 10 is 150 MB with its indexes; 3 stays in the server's cache, so that the ways differ and not the disk.
_SCALE = 3
_CONNECTIONS = 2_200
_FILL_SECONDS = 60


@contextmanager
def database(folder: Path, processes: Processes) -> Iterator[Postgres]:
    """A running server that takes as many connections as are measured."""
    server = Postgres(folder)
    with server.running(processes) as process:
        with server.direct() as admin:
            admin.execute(f"ALTER SYSTEM SET max_connections = {_CONNECTIONS}".encode())
        command = cast("Sequence[str]", process.popen.args)
        process.stop()
        processes.start("postgres", command, stop=signal.SIGINT)
        until("PostgreSQL answers again", server.answers)
        _fill(server)
        yield server


def way(
    server: Postgres, name: str = DIRECT, port: int | None = None, processes: tuple[Process, ...] = ()
) -> Access:
    """A way to the server, by default the direct one."""
    return Access(name, processes, port or server.port, ROLE, server.passwords[ROLE], DATABASE)


def _fill(server: Postgres) -> None:
    direct = way(server)
    command = [str(binaries() / "pgbench"), *direct.arguments(), "-i", "-q", "-s", str(_SCALE), DATABASE]
    subprocess.run(command, env=direct.environment(), check=True, capture_output=True, timeout=_FILL_SECONDS)
