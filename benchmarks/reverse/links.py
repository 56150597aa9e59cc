"""What an idle link holds in the end that took it."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measure.figure import MeasureError
from benchmarks.measure.usage import established, memory_kib
from benchmarks.reverse.stage import Edge
from tests.e2e.stack.processes import Process
from tests.e2e.stack.waiting import until

LINKS = 2_000
# A worker holds 256 links at the most.
_DIALLERS = 8
_SECONDS = 60.0

Dial = Callable[[str, int, int], Process]
"""Starts a process that dials: its name, the port, how many links."""


def idle(edge: Edge, dial: Dial) -> float:
    """KiB per link: the growth with LINKS of them, from a few processes. Raises MeasureError."""
    warm = dial("warm", edge.tunnels, 1)
    _stand(edge, 1)
    before = memory_kib([edge.process])
    diallers = [dial(f"idle-{number}", edge.tunnels, LINKS // _DIALLERS) for number in range(_DIALLERS)]
    try:
        _stand(edge, LINKS + 1)
        return (memory_kib([edge.process]) - before) / LINKS
    finally:
        for process in [*diallers, warm]:
            process.ask()


def _stand(edge: Edge, links: int) -> None:
    try:
        until(f"{links} links stand", lambda: established(edge.tunnels) >= links, _SECONDS)
    except AssertionError as error:
        raise MeasureError(f"{error}: {established(edge.tunnels)} do") from None
