"""What an idle tunnel holds in a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.egress.load import held
from benchmarks.egress.stage import Forward
from benchmarks.measure.figure import Figure
from benchmarks.measure.usage import memory_kib

UNIT = "KiB each"

_WARM_UP = 16


def tunnels(way: Forward, port: int, counts: list[int]) -> Iterator[Figure]:
    """KiB per tunnel at each of the counts, in rising order: the growth since none was open.

    Raises MeasureError.
    """
    with held(way, port, _WARM_UP):
        pass
    before = memory_kib(way.processes)
    with ExitStack() as exits:
        standing = 0
        for count in counts:
            exits.enter_context(held(way, port, count - standing))
            standing = count
            grown = memory_kib(way.processes) - before
            yield Figure(f"{count:,} idle tunnels", UNIT, way.name, 0, grown / count)
