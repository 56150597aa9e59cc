"""Clients that leave a mark in the database with everything they do, and know what they were answered."""

from __future__ import annotations

import threading
from itertools import count

from tests.e2e.stack.clients import Connection, connect
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.waiting import until

TABLE = "CREATE TABLE IF NOT EXISTS marks (mark text)"


class Writer(threading.Thread):
    """Leaves one mark after the other, or bursts of them, until the connection breaks."""

    def __init__(self, port: int, application: str, burst: int = 1) -> None:
        super().__init__(name=application, daemon=True)
        self.application = application
        self.answered: list[str] = []
        """The statements whose answers it got."""
        self.fault: Exception | None = None
        self._port = port
        self._burst = burst

    def wait_for(self, answers: int) -> None:
        """Until it got so many."""
        until(
            f"{self.application} has {answers} answers",
            lambda: self.fault or len(self.answered) >= answers,
            60,
        )

    def run(self) -> None:
        """Until the connection breaks."""
        statements = (f"INSERT INTO marks VALUES ('{self.application}-{number}')" for number in count())
        try:
            with connect(self._port, self.application) as connection:
                while True:
                    self._leave(connection, [next(statements) for _ in range(self._burst)])
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.fault = error

    def _leave(self, connection: Connection, statements: list[str]) -> None:
        if self._burst == 1:
            connection.execute(statements[0].encode())
        else:
            # All of them are on their way before the first is answered.
            with connection.pipeline():
                for statement in statements:
                    connection.execute(statement.encode())
        self.answered += statements


def left_by(postgres: Postgres, application: str) -> list[str]:
    """The statements whose marks the database holds: they were relayed, whoever was told of it."""
    with postgres.direct() as server:
        marks = server.execute("SELECT mark FROM marks WHERE mark LIKE %s", [f"{application}-%"]).fetchall()
    return [f"INSERT INTO marks VALUES ('{mark}')" for (mark,) in marks]
