"""What processes used, their children included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.e2e.stack.processes import Process

_ESTABLISHED = "01"


def cpu_seconds(processes: Iterable[Process]) -> float:
    """User and system time since their start; one hundredth of a second is the kernel's unit (proc(5))."""
    times = (each.cpu_times() for each in _trees(processes))
    return float(sum(each.user + each.system for each in times))


def memory_kib(processes: Iterable[Process]) -> float:
    """The proportional set size: what is shared counts by its share."""
    return float(sum(each.memory_full_info().pss for each in _trees(processes))) / 1024


def established(port: int) -> int:
    """IPv4 connections that stand at a local port (proc_net_tcp in the kernel's documentation)."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:])
    return sum(1 for row in rows if row[3] == _ESTABLISHED and int(row[1].partition(":")[2], 16) == port)


def _trees(processes: Iterable[Process]) -> Iterator[psutil.Process]:
    for process in processes:
        root = psutil.Process(process.pid)
        yield root
        yield from root.children(recursive=True)
