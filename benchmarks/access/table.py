"""From single figures to the table of ratios."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks.access.rounds import Figure
from benchmarks.access.way import DIRECT

_NAME_WIDTH = 40
_WIDTH = 19


def rows(figures: Iterable[Figure]) -> dict[str, dict[str, list[float]]]:
    """The repetitions by row and way, in the order of the rounds."""
    found: dict[str, dict[str, list[float]]] = {}
    for figure in sorted(figures, key=lambda figure: figure.round):
        found.setdefault(figure.row, {}).setdefault(figure.way, []).append(figure.value)
    return found


def ratios(row: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Each way's median of its ratios to the direct path of the same round."""
    direct = row[DIRECT]
    return {way: median(a / b for a, b in zip(row[way], direct, strict=True)) for way in row}


def added(row: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Each way's median of what it adds to the direct path of the same round."""
    direct = row[DIRECT]
    return {way: median(a - b for a, b in zip(row[way], direct, strict=True)) for way in row}


def render(found: Mapping[str, Mapping[str, Sequence[float]]], ways: Sequence[str]) -> str:
    """The direct path's own figures first, then the others beside it: latencies as what is added, all else
    as a ratio."""
    lines = [_line("", [DIRECT, *ways])]
    for name, row in found.items():
        own = median(row[DIRECT])
        if name.endswith("µs"):
            others = added(row)
            cells = [f"+{others[way]:,.0f}" if others[way] >= 0 else f"{others[way]:,.0f}" for way in ways]
        else:
            others = ratios(row)
            cells = [f"{others[way]:.2f}" for way in ways]
        lines.append(_line(name, [f"{own:,.0f}", *cells]))
    return "\n".join(lines)


def _line(name: str, cells: Iterable[str]) -> str:
    return name.ljust(_NAME_WIDTH) + "".join(cell.rjust(_WIDTH) for cell in cells)
