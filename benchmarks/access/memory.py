"""What an idle session holds in each of our processes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.access.figures import connection
from benchmarks.access.way import Way
from tests.e2e.stack.processes import Process

SESSIONS = 200

_WARM_UP = 8


def idle(way: Way, processes: Mapping[str, Process]) -> dict[str, float]:
    """KiB per session and process: the growth with SESSIONS sessions that each ran one query."""
    _open_and_close(way)
    before = {name: _kib(process.pid) for name, process in processes.items()}
    with ExitStack() as exits:
        for _ in range(SESSIONS):
            exits.enter_context(connection(way)).execute("SELECT 1")
        after = {name: _kib(process.pid) for name, process in processes.items()}
    return {name: (after[name] - before[name]) / SESSIONS for name in processes}


def _open_and_close(way: Way) -> None:
    """What is set up once per process is not a session's."""
    with ExitStack() as exits:
        for _ in range(_WARM_UP):
            exits.enter_context(connection(way)).execute("SELECT 1")


def _kib(pid: int) -> int:
    """proc(5), smaps_rollup: the proportional set size of a process, in KiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0])
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss")
