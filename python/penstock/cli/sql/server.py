"""A PostgreSQL session over a socket folder, with results as they come, that can be cancelled.

libpq's simple query protocol: several statements in one text, values as text, exactly as psql has them.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

from psycopg import OperationalError
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, PGconn, PollingStatus, TransactionStatus, abc

from penstock.cli.errors import Refusal, note
from penstock.cli.sql.failure import lost, not_connected, statement_failed

_CONNECT_SECONDS = 60.0
_CANCEL_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_LEAVE_SECONDS = 2.0
_TERMINATE = b"X\0\0\0\4"
# Rows that libpq hands over at a time: enough to be quick, few enough that wide rows stay bounded.
_CHUNK_ROWS = 100

_COPIES = (ExecStatus.COPY_IN, ExecStatus.COPY_OUT)
_RESULT_ROWS = (ExecStatus.TUPLES_OK, ExecStatus.TUPLES_CHUNK, ExecStatus.SINGLE_TUPLE)


class Server:
    """One libpq connection."""

    def __init__(self, folder: Path, user: str, database: str, stop: Event) -> None:
        """Connects; raises `Refusal` with the server's words if it says no, KeyboardInterrupt on `stop`."""
        self._stop = stop
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
        """Closes the connection; what still runs, because somebody asked to end, is cancelled first."""
        if self._conn.transaction_status == TransactionStatus.ACTIVE:
            self._cancel()
        self._leave()
        self._conn.finish()

    def results(self, sql: str) -> Iterator[abc.PGresult]:
        """The results of all statements in order, long ones in chunks.

        Raises `Refusal` for the first error of the server's, which ends the text's transaction, and
        KeyboardInterrupt on `stop`.
        """
        self._conn.send_query(sql.encode())
        self._conn.set_chunked_rows_mode(_CHUNK_ROWS)
        while (result := self._next()) is not None:
            if result.status == ExecStatus.FATAL_ERROR:
                while self._next() is not None:
                    """Nothing but the end follows an error."""
                raise statement_failed(result, sql)
            if result.status == ExecStatus.COPY_IN:
                raise _no_input()
            yield result

    def copied(self) -> Iterator[memoryview]:
        """What `COPY … TO STDOUT` sends, as it comes."""
        while True:
            count, data = self._conn.get_copy_data(1)
            if count == 0:
                self._wait()
                if not self._read():
                    raise lost(self._conn.get_error_message())
            elif count < 0:
                return
            else:
                yield data

    def _connect(self, deadline: float) -> None:
        while (state := self._conn.connect_poll()) != PollingStatus.OK:
            if state == PollingStatus.FAILED or self._conn.status == ConnStatus.BAD:
                raise not_connected(self._conn.get_error_message())
            if time.monotonic() > deadline:
                raise Refusal(
                    "The connection did not answer in time.", code="upstream-timeout", side="gateway"
                )
            self._wait(write=state == PollingStatus.WRITING)

    def _next(self) -> abc.PGresult | None:
        self._look()
        while self._conn.is_busy():
            self._wait()
            if not self._read():
                break
        return self._conn.get_result()

    def _cancel(self) -> None:
        """Asks the server to stop, and reads on until it has, or for so long."""
        self._conn.get_cancel().cancel()
        deadline = time.monotonic() + _CANCEL_SECONDS
        while time.monotonic() < deadline:
            select.select([self._conn.socket], [], [], _LOOK_SECONDS)
            if not self._read():
                return
            while not self._conn.is_busy():
                result = self._conn.get_result()
                if result is None or result.status in _COPIES:
                    # A copy gives this result until its data is taken, which nobody wants any more.
                    return

    def _leave(self) -> None:
        """Says good-bye and waits until the server has closed (PostgreSQL, protocol, §54.2.10 Termination).

        libpq only says it. Whoever ends the tunnel right after cuts what is still on its way, and the
        session would be recorded as broken off.
        """
        if self._conn.status != ConnStatus.OK:
            return
        with socket.socket(fileno=os.dup(self._conn.socket)) as line, suppress(OSError):
            line.settimeout(_LEAVE_SECONDS)
            line.sendall(_TERMINATE)
            deadline = time.monotonic() + _LEAVE_SECONDS
            while line.recv(65536) and time.monotonic() < deadline:
                """What was on its way is of no use any more."""

    def _read(self) -> bool:
        """Takes in what has arrived; False if the connection is lost, which the next result tells in full."""
        try:
            self._conn.consume_input()
        except OperationalError:
            return False
        return True

    def _wait(self, *, write: bool = False) -> None:
        """Waits for the socket, or until it is time to look again."""
        self._look()
        ours = [self._conn.socket]
        select.select([] if write else ours, ours if write else [], [], _LOOK_SECONDS)

    def _look(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt


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


def _show_notice(result: abc.PGresult) -> None:
    severity = result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) or b"NOTICE"
    text = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b""
    note(severity.decode().lower(), text.decode(errors="replace"))
