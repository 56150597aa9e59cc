"""The store takes nothing any more: live sessions go on and end, new ones are refused, nothing is lost."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.logs import lines
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until


@contextmanager
def store_down(stack: Stack) -> Iterator[None]:
    """Somebody else writes to the store and does not finish."""
    file = stack.gateway.home / "penstock.db"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def unnoted(stack: Stack, session: str) -> bool:
    """The gateway has said that it could not write a session's end down."""
    told = (line for line in lines(stack.gateway.process.log) if line["level"] == "ERROR")
    return any(line.get("session") == session and "not noted" in line["message"] for line in told)


def test_sessions_outlive_the_store(mortal: Stack, postgres: Postgres, application: str) -> None:
    """One ends meanwhile, one afterwards; the end of the first is found in its recording."""
    port = mortal.forward("db").port
    other = mortal.connection(f"other-{uuid.uuid4().hex[:8]}", postgres.env())
    other_port = mortal.forward(other).port
    with connect(port, f"{application}-after") as after:
        after.execute("SELECT 'before'")
        with connect(port, f"{application}-meanwhile") as meanwhile:
            meanwhile.execute("SELECT 'before'")
            session = mortal.api.session(f"{application}-meanwhile")["id"]
            with store_down(mortal):
                for client in (meanwhile, after):
                    assert client.execute("SELECT 'down'").fetchone() == ("down",)
                refused = psql(other_port, application, "-c", "SELECT 1")
                assert refused.code == 2 and "FATAL" in refused.err and "HINT:" in refused.err, refused
                meanwhile.close()
                until("its end could not be noted", lambda: unnoted(mortal, session))
        assert psql(port, f"{application}-again", "-Atc", "SELECT 1").out == "1\n"
        after.execute("SELECT 'up again'")
    ended = mortal.api.ended(mortal.api.session(f"{application}-after")["id"])
    assert ended["status"] == "closed"
    assert [s["text"] for s in mortal.api.statements(ended["id"])][-1] == "SELECT 'up again'"
    mortal.gateway.process.kill()
    mortal.mend()
    found = mortal.api.ended(session)
    assert (found["status"], found["reason"]) == ("closed", None)
    assert [s["text"] for s in mortal.api.statements(session)] == ["SELECT 'before'", "SELECT 'down'"]
    assert mortal.api.verify(session)["ok"] is True
    # What was refused is no secret either.
    [attempt] = mortal.api.get("sessions", connection=other)["items"]
    assert attempt["status"] == "failed" and attempt["reason"], attempt
