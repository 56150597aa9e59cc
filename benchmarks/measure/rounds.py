"""Every row over every way in turn, several times over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from benchmarks.measure.figure import Figure, MeasureError
from benchmarks.measure.way import Way

W = TypeVar("W", bound=Way)


@dataclass(frozen=True)
class Row(Generic[W]):
    """One question."""

    name: str
    measure: Callable[[W], Mapping[str, float]]
    """The values by unit. Raises MeasureError."""
    applies: Callable[[W], bool] = lambda _way: True
    """Whether a way can be asked at all."""


@dataclass
class Results:
    """What was found, and what could not be."""

    figures: list[Figure] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def rounds(rows: Sequence[Row[W]], ways: Sequence[W], count: int, tell: Callable[[str], None]) -> Results:
    """A row is measured over all ways before the next row, so that a ratio compares neighbours in time;
    every second round goes backwards, so that a drift of the machine favours nobody."""
    results = Results()
    for number in range(count):
        order = list(ways) if number % 2 == 0 else list(reversed(ways))
        for row in rows:
            tell(f"round {number + 1} of {count}: {row.name}")
            for way in order:
                if row.applies(way):
                    _measure(row, way, number, results)
    return results


def chosen(rows: Sequence[Row[W]], parts: Sequence[str]) -> list[Row[W]]:
    """Those whose name holds one of the parts; all, if there are no parts."""
    return [row for row in rows if not parts or any(part in row.name for part in parts)]


def _measure(row: Row[W], way: W, number: int, results: Results) -> None:
    try:
        found = row.measure(way)
    except MeasureError as error:
        results.failures.append(f"{row.name}, {way.name}, round {number + 1}: {error}")
        return
    results.figures += [Figure(row.name, unit, way.name, number, value) for unit, value in found.items()]
