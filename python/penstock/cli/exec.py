"""`penstock exec`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from penstock.cli.debug import debug_options
from penstock.cli.errors import Refusal
from penstock.cli.output import output_option
from penstock.cli.signals import told_to_stop
from penstock.cli.state import State

if TYPE_CHECKING:
    from penstock.cli.sql.server import Server
    from penstock.cli.sql.writer import Sink, Writer
    from penstock.cli.tunnel import Tunnel

# What the engine noticed about a refused session arrives beside the broken socket, not through it.
_NOTICE_SECONDS = 0.5


@click.command("exec")
@click.argument("name")
@click.option("-i", "--input", "sql", metavar="SQL", help="What to run.")
@click.option(
    "-f", "--file", type=click.File("r", encoding="utf-8"), help="A file with what to run; - is stdin."
)
@debug_options
@output_option("table", "csv", "json")
@click.pass_obj
def execute(state: State, name: str, sql: str | None, file: TextIO | None) -> None:
    """Run SQL on a connection of type postgres: from -i, from -f, or from stdin.

    Several statements may be separated by semicolons; they are one transaction, as in `psql -c`. Rows are
    written as they come, however many.

    \b
    -o table   aligned; the first rows decide the widths; control characters are made visible
    -o csv     a header and rows per result; NULL is an empty field
    -o json    one document per statement, in order: an array of objects for rows,
               {"command": "UPDATE 3", "rows": 3} for the others
    COPY … TO STDOUT is passed on as it is (table, csv).

    The exit code is 1 if a statement failed; the server's error is on stderr.

    \b
    Examples:
      penstock exec prod-db -i 'SELECT count(*) FROM orders'
      penstock exec prod-db -f report.sql -o csv > report.csv
      echo 'SELECT * FROM people LIMIT 3' | penstock exec prod-db -o json | jq '.[].email'
    """
    text = _statement(sql, file)
    from penstock.cli.tunnel import POSTGRES_SOCKET, open_tunnel, private_folder

    with open_tunnel(state, name) as (tunnel, connection), private_folder(POSTGRES_SOCKET) as folder:
        if connection["type"] != "postgres":
            raise Refusal(
                f"{name} is of type {connection['type']}; exec needs a connection of type postgres.",
                hint=f"Open a port to it instead: penstock connect {name}",
                code="malformed",
            )
        tunnel.forward(name, f"unix:{folder / POSTGRES_SOCKET}")
        from penstock.cli.sql.server import Server

        env = connection.get("env") or {}
        user, database = env.get("USER") or "penstock", env.get("DB") or "postgres"
        with told_to_stop() as stop, _explained(tunnel), Server(folder, user, database, stop) as server:
            _run(server, text, state.output)


def _statement(sql: str | None, file: TextIO | None) -> str:
    if sql is not None and file is not None:
        raise click.UsageError("-i and -f exclude each other.")
    if sql is None:
        source = file or sys.stdin
        if source is sys.stdin and sys.stdin.isatty() and file is None:
            raise click.UsageError("Nothing to run: use -i SQL, -f FILE, or stdin.")
        try:
            sql = source.read()
        except UnicodeDecodeError as error:
            raise click.UsageError(f"The SQL is not UTF-8: {error}.") from error
    if not sql.strip():
        raise click.UsageError("Nothing to run: the SQL is empty.")
    if "\0" in sql:
        raise click.UsageError("SQL cannot hold a zero byte.")
    return sql


def _run(server: Server, sql: str, output: str) -> None:
    from penstock.cli.sql.stream import stream
    from penstock.cli.sql.writer import Sink

    sink = Sink(sys.stdout.buffer)
    try:
        stream(server, sql, _writer(output, sink))
    finally:
        sink.flush()


def _writer(output: str, sink: Sink) -> Writer:
    match output:
        case "csv":
            from penstock.cli.sql.csv import CsvWriter

            return CsvWriter(sink)
        case "json":
            from penstock.cli.sql.json import JsonWriter

            return JsonWriter(sink)
        case _:
            from penstock.cli.sql.table import TableWriter

            return TableWriter(sink)


@contextmanager
def _explained(tunnel: Tunnel) -> Iterator[None]:
    """Replaces libpq's "closed the connection unexpectedly" by the reason, where the engine knows it."""
    try:
        yield
    except Refusal as error:
        if error.code != "lost" or not (notice := tunnel.notices(_NOTICE_SECONDS)):
            raise
        raise Refusal(
            str(notice.get("message")),
            hint=notice.get("hint"),
            code=notice.get("code") or "lost",
            side=notice.get("side") or "gateway",
        ) from error
