"""The server's errors in the words of the command line."""

from __future__ import annotations

import re

from psycopg.pq import DiagnosticField, abc

from penstock.cli.errors import Refusal

# Longer lines are shown around the position only.
_CONTEXT = 60
# While a connection is made, libpq has the server's fields as text alone.
_FATAL = re.compile(r"FATAL: +(?P<message>.*?)(?:\nHINT: +(?P<hint>.*))?", re.DOTALL)


def not_connected(text: str) -> Refusal:
    """The refusal for a connection that did not come about, with the server's words out of libpq's text."""
    _, fatal, words = text.strip().partition("FATAL:")
    if not (said := _FATAL.fullmatch(fatal + words)):
        return lost(text)
    return Refusal(said["message"], hint=said["hint"], code="refused", side="gateway")


def lost(text: str) -> Refusal:
    """The refusal for a connection that broke; what was running has no result."""
    return Refusal(
        # libpq's further lines guess at what our own hint knows better.
        (text.strip() or "The connection was lost.").splitlines()[0],
        hint="See how the session ended: penstock sessions list",
        code="lost",
        side="gateway",
    )


def statement_failed(result: abc.PGresult, sql: str) -> Refusal:
    """The refusal for an error result, with SQLSTATE, detail and the place in the text."""
    message = _field(result, DiagnosticField.MESSAGE_PRIMARY) or result.error_message.decode(errors="replace")
    state = _field(result, DiagnosticField.SQLSTATE)
    if not state:
        return lost(message)
    position = int(_field(result, DiagnosticField.STATEMENT_POSITION) or 0)
    detail = _field(result, DiagnosticField.MESSAGE_DETAIL)
    parts = [f"{message} (SQLSTATE {state})", *([detail] if detail else []), *_pointer(sql, position)]
    return Refusal(
        "\n".join(parts),
        hint=_field(result, DiagnosticField.MESSAGE_HINT) or None,
        code="statement-failed",
        side="upstream",
        sqlstate=state,
        position=position or None,
    )


def _field(result: abc.PGresult, field: DiagnosticField) -> str:
    return (result.error_field(field) or b"").decode(errors="replace")


def _pointer(sql: str, position: int) -> list[str]:
    """The line of the text that the position (in characters, from 1) is in, and a caret under it."""
    if not 1 <= position <= len(sql) + 1:
        return []
    before = sql[: position - 1]
    number = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1)
    line = sql.split("\n")[number - 1]
    start = max(0, column - _CONTEXT)
    shown = ("…" if start else "") + line[start : column + _CONTEXT].replace("\t", " ")
    prefix = f"LINE {number}: "
    return [prefix + shown, " " * (len(prefix) + column - start + bool(start)) + "^"]
