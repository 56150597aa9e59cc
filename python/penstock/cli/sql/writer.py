"""What every output format is: a writer that takes results as they stream by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple, Protocol

Row = Sequence[bytes | None]
"""One row's values in PostgreSQL's text format; None for NULL."""


class Column(NamedTuple):
    """One column of a result."""

    name: str
    oid: int
    """The type's object identifier (pg_type.oid)."""


class Sink:
    """Where text and bytes go in order. Bytes that are no UTF-8 pass through unchanged."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes text."""
        self._stream.write(text.encode("utf-8", "surrogateescape"))

    def raw(self, data: memoryview) -> None:
        """Writes bytes."""
        self._stream.write(data)

    def flush(self) -> None:
        """Hands all that was written to the reader."""
        self._stream.flush()


class Writer(Protocol):
    """Begin, rows, end; or one command; or copied bytes."""

    def begin(self, columns: Sequence[Column]) -> None:
        """A result with rows begins."""

    def row(self, values: Row) -> None:
        """One row of it."""

    def end(self, count: int) -> None:
        """It ends after so many rows."""

    def command(self, tag: str) -> None:
        """A statement without rows is done; its tag is the server's, such as `INSERT 0 3`."""

    def copied(self, data: memoryview) -> None:
        """A piece of what `COPY … TO STDOUT` sends."""


def text(value: bytes) -> str:
    """A value as text; bytes that are no UTF-8 (a server of another encoding) survive the way to the sink."""
    return value.decode("utf-8", "surrogateescape")
