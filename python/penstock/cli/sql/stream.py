"""From the server's results to a writer's calls."""

from __future__ import annotations

from psycopg.pq import ExecStatus, abc

from penstock.cli.sql.server import Server, is_rows
from penstock.cli.sql.writer import Column, Writer, text


def stream(server: Server, sql: str, writer: Writer) -> None:
    """Runs the text and writes every result as it comes; raises `Refusal` at the first error."""
    rows: int | None = None
    for result in server.results(sql):
        if result.status == ExecStatus.COPY_OUT:
            for data in server.copied():
                writer.copied(data)
        elif is_rows(result):
            if rows is None:
                writer.begin(_columns(result))
                rows = 0
            rows += _rows(result, writer)
            if result.status == ExecStatus.TUPLES_OK:
                writer.end(rows)
                rows = None
        elif result.status == ExecStatus.COMMAND_OK:
            writer.command((result.command_status or b"").decode())


def _columns(result: abc.PGresult) -> list[Column]:
    fields = range(result.nfields)
    return [Column(text(result.fname(field) or b""), result.ftype(field)) for field in fields]


def _rows(result: abc.PGresult, writer: Writer) -> int:
    fields = range(result.nfields)
    for row in range(result.ntuples):
        writer.row([result.get_value(row, field) for field in fields])
    return result.ntuples
