"""One column of a table: what a request passes."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.measure.usage import cpu_seconds
from tests.e2e.stack.processes import Process


@dataclass(frozen=True)
class Way:
    """What stands between load and origin."""

    name: str
    processes: tuple[Process, ...]
    """The origin is not among them. Empty: nothing is in between."""

    def cpu_seconds(self) -> float:
        """What they have used since their start."""
        return cpu_seconds(self.processes)
