"""What processes hold in memory, at its most."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_POLL_SECONDS = 0.02
_ANONYMOUS = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)


def held(pid: int) -> int:
    """Bytes of a process' own, without the pages of programs and libraries, which can be read again."""
    found = _ANONYMOUS.search(Path(f"/proc/{pid}/status").read_text("ascii"))
    assert found, f"process {pid} is gone"
    return int(found[1]) * 1024


@dataclass
class Peaks:
    """The most that each process was seen to hold, in bytes."""

    of: dict[str, int] = field(default_factory=dict)

    def look(self, pids: Mapping[str, int]) -> None:
        """Looks once at each."""
        for name, pid in pids.items():
            self.of[name] = max(self.of.get(name, 0), held(pid))


@contextmanager
def watched(pids: Mapping[str, int]) -> Iterator[Peaks]:
    """Looks at the processes again and again; what it saw is complete at the end."""
    peaks, over = Peaks(), threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            peaks.look(pids)

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()
    peaks.look(pids)
