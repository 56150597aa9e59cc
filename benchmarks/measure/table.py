"""From single figures to a table: each way's own figure, and its ratio to that of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from benchmarks.measure.figure import Figure

_WIDTH = 17
_NONE = "-"


def ratio(figures: Sequence[Figure], way: str, base: str) -> float | None:
    """The median of the ratios of rounds that have both; None if there is no such round.

    The figures are those of one row and unit.
    """
    values = {(figure.way, figure.round): figure.value for figure in figures}
    pairs = [
        (value, values[base, number])
        for (name, number), value in values.items()
        if name == way and values.get((base, number))
    ]
    return median(value / other for value, other in pairs) if pairs else None


def value(figures: Sequence[Figure], way: str) -> float | None:
    """The median over the rounds; None if there is none. The figures are those of one row and unit."""
    found = [figure.value for figure in figures if figure.way == way]
    return median(found) if found else None


def lines(figures: Iterable[Figure]) -> dict[tuple[str, str], list[Figure]]:
    """The figures by row and unit, in the order in which they came."""
    found: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        found.setdefault((figure.row, figure.unit), []).append(figure)
    return found


def render(figures: Iterable[Figure], ways: Sequence[str], base: str) -> str:
    """The table. `base` is the way that the ratios in brackets refer to."""
    found = lines(figures)
    names = {key: f"{key[0]}: {key[1]}" for key in found}
    width = max([len(name) for name in names.values()], default=0)
    head = "".join(way.rjust(max(_WIDTH, len(way) + 2)) for way in ways)
    out = ["".ljust(width) + head]
    for key, own in found.items():
        cells = (_cell(own, way, base).rjust(max(_WIDTH, len(way) + 2)) for way in ways)
        out.append(names[key].ljust(width) + "".join(cells))
    return "\n".join(out)


def _cell(own: Sequence[Figure], way: str, base: str) -> str:
    found = value(own, way)
    if found is None:
        return _NONE
    beside = None if way == base else ratio(own, way, base)
    return number(found) if beside is None else f"{number(found)} ({beside:.2f})"


def number(value: float) -> str:
    """Three digits or more, and no more than help."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
