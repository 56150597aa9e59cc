"""A PostgreSQL session over a socket folder, with results as they come and a Ctrl-C that cancels.

libpq's simple query protocol: several statements in one text, values as text, exactly as psql has them.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PGconn, PollingStatus, abc

from penstock.cli.errors import Refusal, note
from penstock.cli.sql.failure import statement_failed

_CONNECT_SECONDS = 60.0
_CANCEL_SECONDS = 5.0
# Rows that libpq hands over at a time: enough to be quick, few enough that wide rows stay bounded.
_CHUNK_ROWS = 100

_RESULT_ROWS = (ExecStatus.TUPLES_OK, ExecStatus.TUPLES_CHUNK, ExecStatus.SINGLE_TUPLE)


class Server:
    """One libpq connection."""

    def __init__(self, folder: Path, user: str, database: str) -> None:
        """Connects; raises `Refusal` with the server's words if it says no."""
        _forget_libpq_environment()
        settings = {
            "host": str(folder),
            "port": "5432",
            "user": user,
            "dbname": database,
            "client_encoding": "UTF8",
            "application_name": "penstock exec",
            "sslmode": "disable",
            "gssencmode": "disable",
        }
        text = " ".join(f"{name}='{_quoted(value)}'" for name, value in settings.items())
        self._conn = PGconn.connect_start(text.encode())
        self._conn.notice_handler = _show_notice
        try:
            self._connect(time.monotonic() + _CONNECT_SECONDS)
        except BaseException:
            self._conn.finish()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._conn.finish()

    def results(self, sql: str) -> Iterator[abc.PGresult]:
        """The results of all statements in order, long ones in chunks. Ctrl-C cancels what is running.

        Raises `Refusal` for the first error of the server's, which ends the text's transaction.
        """
        self._conn.send_query(sql.encode())
        self._conn.set_chunked_rows_mode(_CHUNK_ROWS)
        try:
            while (result := self._next()) is not None:
                if result.status == ExecStatus.FATAL_ERROR:
                    raise statement_failed(result, sql)
                if result.status == ExecStatus.COPY_IN:
                    raise _no_input()
                yield result
        except KeyboardInterrupt:
            self._cancel()
            raise

    def copied(self) -> Iterator[memoryview]:
        """What `COPY … TO STDOUT` sends, as it comes."""
        while True:
            count, data = self._conn.get_copy_data(1)
            if count == 0:
                self._wait(self._conn.socket)
                self._conn.consume_input()
            elif count < 0:
                return
            else:
                yield data

    def _connect(self, deadline: float) -> None:
        while (state := self._conn.connect_poll()) != PollingStatus.OK:
            if state == PollingStatus.FAILED or self._conn.status == ConnStatus.BAD:
                raise Refusal(_message(self._conn), code="lost", side="gateway")
            if time.monotonic() > deadline:
                raise Refusal(
                    "The connection did not answer in time.", code="upstream-timeout", side="gateway"
                )
            self._wait(self._conn.socket, write=state == PollingStatus.WRITING, seconds=1.0)

    def _next(self) -> abc.PGresult | None:
        while self._conn.is_busy():
            self._wait(self._conn.socket)
            self._conn.consume_input()
        return self._conn.get_result()

    def _cancel(self) -> None:
        self._conn.get_cancel().cancel()
        deadline = time.monotonic() + _CANCEL_SECONDS
        while time.monotonic() < deadline:
            self._wait(self._conn.socket, seconds=0.5)
            self._conn.consume_input()
            while not self._conn.is_busy():
                if self._conn.get_result() is None:
                    return

    def _wait(self, descriptor: int, *, write: bool = False, seconds: float | None = None) -> None:
        select.select([] if write else [descriptor], [descriptor] if write else [], [], seconds)


def is_rows(result: abc.PGresult) -> bool:
    """True if the result has columns and rows, or is the end of some."""
    return result.status in _RESULT_ROWS


def _no_input() -> Refusal:
    return Refusal(
        "COPY … FROM STDIN has no input here: stdin may hold the SQL itself.",
        hint="Open a port and use psql: penstock connect NAME",
        code="malformed",
    )


def _forget_libpq_environment() -> None:
    """PGHOSTADDR, PGSERVICE and their like would lead elsewhere than where the user pointed."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _message(conn: abc.PGconn) -> str:
    return conn.get_error_message().strip() or "The connection was lost."


def _show_notice(result: abc.PGresult) -> None:
    severity = result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) or b"NOTICE"
    text = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b""
    note(severity.decode().lower(), text.decode(errors="replace"))
