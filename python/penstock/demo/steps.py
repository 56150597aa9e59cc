"""How the demo shows what it does: one line per step, with its time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from penstock.cli.errors import colours


class Step:
    """One step; what it found out stands behind its name when it is done."""

    def __init__(self) -> None:
        self.outcome = ""


class Steps:
    """Writes the steps; a spinner turns meanwhile, where somebody may see it."""

    def __init__(self, *, err: bool) -> None:
        """With `err` on stderr, because stdout is for a program."""
        from rich.console import Console

        self._err = err
        stream = sys.stderr if err else sys.stdout
        self._colours = colours(stream.isatty())
        self._console = Console(stderr=err, no_color=not self._colours, highlight=False)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Times a step. One that fails is marked, and the error goes on."""
        step = Step()
        start = time.monotonic()
        try:
            with self._console.status(name):
                yield step
        except BaseException:
            self._line("✗", "red", name, "")
            raise
        self._line("✓", "green", name, f"{step.outcome}  ({time.monotonic() - start:.1f} s)")

    def _line(self, mark: str, colour: str, name: str, rest: str) -> None:
        click.secho(f"  {mark} ", fg=colour, nl=False, err=self._err, color=self._colours)
        click.echo(f"{name:<12}{rest}".rstrip(), err=self._err)
