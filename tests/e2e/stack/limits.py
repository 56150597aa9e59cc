"""What processes may have: memory, and open files."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.e2e.stack.processes import Process

MIB = 1 << 20


def memory(process: Process) -> int:
    """Resident bytes."""
    return int(psutil.Process(process.pid).memory_info().rss)


@contextmanager
def bounded(process: Process, most: int) -> Iterator[None]:
    """It does not grow by more than this many bytes."""
    before = memory(process)
    yield
    grown = memory(process) - before
    assert grown < most, f"{process.name} grew by {grown / MIB:.0f} MiB"


@contextmanager
def descriptors(needed: int) -> Iterator[None]:
    """This process may have so many open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= needed, f"raise `ulimit -Hn` to {needed}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def no_more_files(process: Process, spare: int = 0) -> Iterator[None]:
    """It may open so many more than it has, and no other."""
    found = psutil.Process(process.pid)
    before = found.rlimit(psutil.RLIMIT_NOFILE)
    found.rlimit(psutil.RLIMIT_NOFILE, (highest(process) + 1 + spare, before[1]))
    yield
    found.rlimit(psutil.RLIMIT_NOFILE, before)


def highest(process: Process) -> int:
    """The highest number of an open file: the limit is one on numbers (getrlimit(2))."""
    return max(int(entry.name) for entry in Path(f"/proc/{process.pid}/fd").iterdir())
