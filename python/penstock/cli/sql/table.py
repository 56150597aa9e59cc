"""Tables as psql draws them, in bounded memory: the first rows decide the widths."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from penstock.cli.sql.writer import Column, Row, Sink
from penstock.cli.text import clean

# What is held back to measure. Whatever is wider than all that was seen then shifts its own row alone.
_SAMPLE_ROWS = 500
_SAMPLE_BYTES = 1 << 20
# One huge value must not pad every other row to its width.
_MAX_WIDTH = 200

# pg_type.dat: int8, int2, int4, oid, float4, float8, money, numeric. Numbers stand to the right.
_RIGHT = frozenset({20, 21, 23, 26, 700, 701, 790, 1700})


class TableWriter:
    """Writes each result as an aligned table with its row count, and the tags of other statements."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._columns: Sequence[Column] = ()
        self._widths: list[int] | None = None
        self._held: list[list[str]] = []
        self._held_bytes = 0

    def begin(self, columns: Sequence[Column]) -> None:
        """Starts to measure."""
        self._columns = columns
        self._widths = None
        self._held = []
        self._held_bytes = 0

    def row(self, values: Row) -> None:
        """Holds the row back, or writes it once the widths are known."""
        cells = ["" if value is None else clean(value.decode("utf-8", "replace")) for value in values]
        if self._widths is not None:
            self._write_row(cells, self._widths)
            return
        self._held.append(cells)
        self._held_bytes += sum(map(len, cells))
        if len(self._held) >= _SAMPLE_ROWS or self._held_bytes >= _SAMPLE_BYTES:
            self._release()

    def end(self, count: int) -> None:
        """Writes what is held back, and the count."""
        if self._widths is None:
            self._release()
        self._sink.write(f"({count} row{'' if count == 1 else 's'})\n\n")

    def command(self, tag: str) -> None:
        """Writes the server's tag."""
        self._sink.write(f"{clean(tag)}\n")

    def copied(self, data: memoryview) -> None:
        """Passes the server's bytes on."""
        self._sink.raw(data)

    def _release(self) -> None:
        names = [clean(column.name) for column in self._columns]
        measured = zip(*([names, *self._held]), strict=True)
        self._widths = [min(_MAX_WIDTH, max(map(cell_len, column))) for column in measured]
        centred = (_centred(name, width) for name, width in zip(names, self._widths, strict=True))
        self._write_line(" | ".join(centred))
        self._sink.write("-" + "-+-".join("-" * width for width in self._widths) + "-\n")
        for cells in self._held:
            self._write_row(cells, self._widths)
        self._held = []

    def _write_row(self, cells: list[str], widths: list[int]) -> None:
        columns = zip(cells, widths, self._columns, strict=True)
        self._write_line(
            " | ".join(_padded(cell, width, column.oid in _RIGHT) for cell, width, column in columns)
        )

    def _write_line(self, line: str) -> None:
        self._sink.write(f" {line}".rstrip() + "\n")


def _padded(cell: str, width: int, right: bool) -> str:
    gap = " " * (width - cell_len(cell))
    return gap + cell if right else cell + gap


def _centred(name: str, width: int) -> str:
    gap = width - cell_len(name)
    return " " * (gap // 2) + name + " " * (gap - gap // 2)
