"""At which line of a TOML file something stands.

``tomllib`` does not tell, so statements are read one by one.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

Place = tuple[str | int, ...]
_HEADER = re.compile(r"\[(\[)?")


def toml_lines(text: str) -> dict[Place, int]:
    """The line, from 1, of every table and key of a file that ``tomllib`` reads."""
    lines: dict[Place, int] = {}
    arrays: dict[Place, int] = {}
    table: Place = ()
    for number, statement in _statements(text):
        shape = tomllib.loads(statement)
        path = _path(shape)
        if not _HEADER.match(statement):
            for end in range(1, len(path) + 1):
                lines.setdefault(table + path[:end], number)
            continue
        table = _resolve(path, arrays)
        if statement.startswith("[["):
            at = arrays[table] = arrays.get(table, -1) + 1
            lines.setdefault(table, number)
            table = (*table, at)
        for end in range(1, len(table) + 1):
            lines.setdefault(table[:end], number)
    return lines


def nearest_line(lines: dict[Place, int], place: Sequence[str | int]) -> int | None:
    """The line of a place, or of what encloses it."""
    for end in range(len(place), 0, -1):
        found = lines.get(tuple(place[:end]))
        if found is not None:
            return found
    return None


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header or assignment with its first line; it ends where it can be read."""
    pending, first = "", 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        first = first if pending else number
        pending += line + "\n"
        try:
            tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        yield first, pending.lstrip()
        pending = ""


def _path(shape: dict[str, Any]) -> Place:
    """The keys of a statement that names one thing."""
    path: list[str] = []
    value: Any = shape
    while isinstance(value, dict) and len(value) == 1:
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path)


def _resolve(path: Place, arrays: dict[Place, int]) -> Place:
    """A header's path with the numbers of the arrays' tables that it is in."""
    resolved: Place = ()
    for at, key in enumerate(path):
        resolved = (*resolved, key)
        if resolved in arrays and at < len(path) - 1:
            resolved = (*resolved, arrays[resolved])
    return resolved
