"""Latencies beside a path without anything in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchmarks.measure.cost import P50, P99
from benchmarks.measure.figure import Figure

DIRECT = "direct"
"""The way that has nothing in between."""


def added(figures: Iterable[Figure]) -> list[Figure]:
    """Latencies as what each way adds to the direct path of the same round; all else as it is."""
    known = list(figures)
    direct = {(each.row, each.unit, each.round): each.value for each in known if each.way == DIRECT}
    found: list[Figure] = []
    for each in known:
        base = direct.get((each.row, each.unit, each.round))
        if each.unit not in (P50, P99) or base is None:
            found.append(each)
        elif each.way != DIRECT:
            found.append(replace(each, unit=f"{each.unit} added", value=each.value - base))
    return found
