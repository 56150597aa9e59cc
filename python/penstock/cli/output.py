"""How answers are written: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from penstock.cli.errors import colours
from penstock.cli.state import State
from penstock.cli.text import clean, show
from penstock.cli.types import Command, Json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# One line per row, whatever the terminal's width: what is there to be copied stays in one piece.
_UNBOUNDED = 10_000
STATUS_COLOURS = {
    "online": "green",
    "open": "green",
    "ok": "green",
    "offline": "red",
    "failed": "red",
    "killed": "red",
    "interrupted": "yellow",
    "expired": "yellow",
}


def output_option(*formats: str) -> Callable[[Command], Command]:
    """The option `-o/--output`, by default `table` or `json`; it lands in the invocation's state."""

    def keep(ctx: click.Context, _param: click.Parameter, value: str) -> None:
        ctx.ensure_object(State).output = value

    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats or ("table", "json")),
        default="table",
        show_default=True,
        is_eager=True,
        expose_value=False,
        callback=keep,
        help="How to write the answer.",
    )


def write_json(value: Json, *, pretty: bool = True) -> None:
    """Writes one JSON document to stdout."""
    click.echo(json.dumps(value, indent=2 if pretty else None, ensure_ascii=False))


def write_table(rows: Iterable[Mapping[str, Json]], columns: Sequence[str], empty: str) -> None:
    """Writes rows under their columns' names in capitals; a sentence if there are none."""
    rows = list(rows)
    if not rows:
        click.echo(empty)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " ").upper(), no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    _print(table)


def write_fields(fields: Mapping[str, Json]) -> None:
    """Writes `name  value` lines."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    for name, value in fields.items():
        table.add_row(clean(name.replace("_", " ")), _cell(value))
    _print(table)


def _print(table: Table) -> None:
    """Writes a table without the blanks that fill its last column."""
    out = console()
    with out.capture() as captured:
        out.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip(), color=True)


def _cell(value: Json) -> Text:
    from rich.text import Text

    text = show(value)
    return Text(text, style=STATUS_COLOURS.get(text, ""))


def console() -> Console:
    """A rich console on stdout: no markup, no guessing, colours only for a terminal."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(
        markup=False,
        highlight=False,
        emoji=False,
        no_color=not colours(terminal),
        width=_UNBOUNDED,
    )
