"""What a run found, for people and for programs, and the options that every benchmark has."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import click

from benchmarks.measure.figure import Figure
from benchmarks.measure.machine import describe
from benchmarks.measure.rounds import Results
from benchmarks.measure.table import lines, ratio, render

_NOTE = "Each way's own figure, the median of the rounds; in brackets its ratio to {base}."


@dataclass
class Report:
    """The options of a run, and all that it found."""

    output: str
    rounds: int
    seconds: int
    rows: tuple[str, ...]
    save: Path | None
    tables: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    ratios: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def running(self, module: str) -> Iterator[None]:
        """A run from its start to its printed end, even if it is interrupted; then what was found so far.

        If anything is missing, the exit code is 1.
        """
        signal.signal(signal.SIGTERM, _interrupt)
        start = time.monotonic()
        about = describe(module)
        try:
            yield
        finally:
            self._publish(about, (time.monotonic() - start) / 60)
        if self.failures:
            raise SystemExit(1)

    def _publish(self, about: dict[str, object], minutes: float) -> None:
        found = {
            **about,
            "load_after": os.getloadavg()[0],
            "minutes": round(minutes, 1),
            "ratios": self.ratios,
            "failures": self.failures,
            "figures": [asdict(figure) for figure in self.figures],
        }
        text = json.dumps(found, indent=1, ensure_ascii=False)
        if self.save:
            self.save.write_text(text + "\n", "utf-8")
        click.echo(text if self.output == "json" else self._people(found))

    def wants(self, row: str) -> bool:
        """Whether a row was asked for."""
        return not self.rows or any(part in row for part in self.rows)

    def missing(self, what: str, reason: Exception) -> None:
        """Notes what could not be measured at all."""
        tell(f"not measured: {what}: {reason}")
        self.failures.append(f"{what}: {reason}")

    def add(self, title: str, results: Results, ways: Sequence[str], base: str) -> None:
        """Takes the results of one table."""
        self.failures += results.failures
        self.add_figures(title, results.figures, ways, base)

    def add_figures(self, title: str, figures: Sequence[Figure], ways: Sequence[str], base: str) -> None:
        """Takes the figures of one table; the ratios are those to `base`."""
        self.figures += figures
        if figures:
            self.tables.append(f"{title}\n{_NOTE.format(base=base)}\n\n{render(figures, ways, base)}\n")
        for (row, unit), own in lines(figures).items():
            found = {way: ratio(own, way, base) for way in ways if way != base}
            self.ratios[f"{row}: {unit}"] = {way: value for way, value in found.items() if value is not None}

    def _people(self, found: dict[str, Any]) -> str:
        head = [
            f"{found['taken_at']}, commit {found['commit']}, {found['cores']} cores, {found['processor']}",
            f"load before: {found['load_before']:.2f}, after: {found['load_after']:.2f}",
            f"{found['minutes']} minutes: {found['command']}",
            f"native module: {found['build']}",
            "",
        ]
        return "\n".join([*head, *self.tables, *(f"not measured: {failure}" for failure in self.failures)])


def options(command: Callable[[Report], None]) -> Callable[..., None]:
    """Gives a command the options of every benchmark; it gets them as an empty report."""

    @click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", show_default=True)
    @click.option("--rounds", type=click.IntRange(1, 9), default=2, show_default=True)
    @click.option(
        "--seconds", type=click.IntRange(1, 30), default=2, show_default=True, help="Of each single load."
    )
    @click.option("--rows", multiple=True, metavar="TEXT", help="Only rows whose names hold this.")
    @click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON here too.")
    def run(output: str, rounds: int, seconds: int, rows: tuple[str, ...], save: Path | None) -> None:
        command(Report(output, rounds, seconds, rows, save))

    run.__doc__ = command.__doc__
    return run


def tell(text: str) -> None:
    """Progress."""
    click.echo(text, err=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends the run as Ctrl-C does: in order."""
    raise KeyboardInterrupt
