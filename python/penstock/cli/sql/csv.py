"""CSV: a header and rows per result (RFC 4180, but line feeds alone, as psql). NULL is an empty field."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from penstock.cli.sql.writer import Column, Row, Sink, text


class CsvWriter:
    """Writes results one after another; statements without rows write nothing."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._csv = csv.writer(sink, lineterminator="\n")

    def begin(self, columns: Sequence[Column]) -> None:
        """Writes the header."""
        self._csv.writerow([column.name for column in columns])

    def row(self, values: Row) -> None:
        """Writes one row."""
        self._csv.writerow(["" if value is None else text(value) for value in values])

    def end(self, count: int) -> None:
        """Nothing ends a result but the next one's header."""

    def command(self, tag: str) -> None:
        """A statement without rows has no place in a CSV."""

    def copied(self, data: memoryview) -> None:
        """Passes the server's bytes on."""
        self._sink.raw(data)
