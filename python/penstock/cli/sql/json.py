"""JSON: one document per statement, in order, values as PostgreSQL's own `to_json` has them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from penstock.cli.errors import Refusal
from penstock.cli.sql.writer import Column, Row, Sink

# pg_type.dat: what is a JSON literal already. int8 and numeric keep all their digits.
_BOOL = 16
_NUMBERS = frozenset({20, 21, 23, 26, 700, 701, 1700})
_JSON = frozenset({114, 3802})
_NOT_FINITE = frozenset({b"NaN", b"Infinity", b"-Infinity"})


class JsonWriter:
    """Writes an array of objects, one to a line, for rows; `{"command": …, "rows": …}` for the others."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._columns: list[tuple[str, int]] = []
        self._separator = ""

    def begin(self, columns: Sequence[Column]) -> None:
        """Opens the array."""
        names = distinct([column.name for column in columns])
        self._columns = [(_quote(name), column.oid) for name, column in zip(names, columns, strict=True)]
        self._separator = ""
        self._sink.write("[")

    def row(self, values: Row) -> None:
        """Writes one object."""
        pairs = (
            f"{key}: {literal(value, oid)}" for (key, oid), value in zip(self._columns, values, strict=True)
        )
        self._sink.write(f"{self._separator}\n{{{', '.join(pairs)}}}")
        self._separator = ","

    def end(self, count: int) -> None:
        """Closes the array."""
        self._sink.write("\n]\n" if count else "]\n")

    def command(self, tag: str) -> None:
        """Writes the tag and the number of rows that it names."""
        last = tag.rpartition(" ")[2]
        rows = int(last) if last.isdigit() else None
        self._sink.write(json.dumps({"command": tag, "rows": rows}) + "\n")

    def copied(self, data: memoryview) -> None:
        """Refuses: the server's bytes are no JSON."""
        raise Refusal(
            "COPY … TO STDOUT is not JSON.",
            hint="Use -o csv, which passes it on as it is, or SELECT.",
            code="malformed",
        )


def distinct(names: Sequence[str]) -> list[str]:
    """The names with `_2`, `_3` … behind those that came before, for an object holds each key once."""
    taken = set(names)
    seen: set[str] = set()
    result = []
    for name in names:
        fresh, number = name, 2
        while fresh in seen or (fresh != name and fresh in taken):
            fresh, number = f"{name}_{number}", number + 1
        seen.add(fresh)
        result.append(fresh)
    return result


def literal(value: bytes | None, oid: int) -> str:
    """One value as a JSON literal."""
    if value is None:
        return "null"
    if oid == _BOOL:
        return "true" if value == b"t" else "false"
    if oid in _JSON or (oid in _NUMBERS and value not in _NOT_FINITE):
        return value.decode()
    return _quote(value.decode("utf-8", "replace"))


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
