"""Results of a known length, asked for over and over, while something happens to what carries them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg

from tests.e2e.stack.clients import Connection, connect
from tests.e2e.stack.waiting import until

_LINE = 65536
_LINES = 320
_RESULT = f"COPY (SELECT repeat('x', {_LINE - 1}) FROM generate_series(1, {_LINES})) TO STDOUT"
_SECONDS = 60


@dataclass
class Outcome:
    """What became of one client's results."""

    whole: int = 0
    after: int = 0
    """Of them, those that were asked for once it had happened."""
    cut: int = 0
    """Those that ended with an error; the client then opened another session."""


def under_load(port: int, application: str, happens: Callable[[], None], clients: int = 4) -> list[Outcome]:
    """Clients take results all the time while it happens, and on until each has had a whole one afterwards.

    A result that is neither whole nor an error is an AssertionError.
    """
    begun, over = threading.Barrier(clients + 1), threading.Event()
    with ThreadPoolExecutor(clients) as threads:
        names = [f"{application}-{number}" for number in range(clients)]
        outcomes = [threads.submit(_client, port, name, begun, over) for name in names]
        try:
            begun.wait(_SECONDS)
            happens()
        finally:
            over.set()
        return [outcome.result() for outcome in outcomes]


def session(port: int, application: str) -> Connection:
    """A session, as soon as one is to be had."""

    def look() -> Connection | None:
        try:
            return connect(port, application)
        except psycopg.OperationalError:
            return None

    return until("a session is to be had", look, _SECONDS)


def _client(port: int, application: str, begun: threading.Barrier, over: threading.Event) -> Outcome:
    outcome = Outcome()
    while not outcome.after:
        with closing(session(port, application)) as connection:
            try:
                while not outcome.after:
                    late = over.is_set()
                    _take(connection)
                    if not outcome.whole:
                        begun.wait(_SECONDS)
                    outcome.whole += 1
                    outcome.after += late
            except psycopg.OperationalError:
                outcome.cut += 1
    return outcome


def _take(connection: Connection) -> None:
    with connection.cursor() as cursor, cursor.copy(_RESULT) as copy:
        length = sum(len(part) for part in copy)
    assert length == _LINE * _LINES
