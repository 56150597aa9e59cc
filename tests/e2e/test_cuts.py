"""What breaks in the middle: a cut result is an error, never what looks like a whole one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.stack.clients import connect
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.marked import MARK
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until

pytestmark = pytest.mark.usefixtures("nothing_leaks")

ROWS = 2_000_000
BIG = f"SELECT n, '{MARK}', repeat('x', 200) FROM generate_series(1, {ROWS}) AS n"


def kill_backend(stack: Stack, server: int) -> None:
    """SIGKILL of the server's process, as a crash of it."""
    os.kill(server, signal.SIGKILL)


def kill_gateway(stack: Stack, server: int) -> None:
    """SIGKILL of the gateway."""
    stack.gateway.process.kill()


def kill_agent(stack: Stack, server: int) -> None:
    """SIGKILL of the agent."""
    stack.agents["office"].kill()


def kill_client(stack: Stack, server: int) -> None:
    """SIGKILL of `penstock connect`."""
    stack.forward("db").process.kill()


@pytest.fixture
def mended(postgres: Postgres) -> Iterator[None]:
    """Lets the server recover from a backend that was killed before the next test goes on."""
    yield
    until("PostgreSQL answers again", postgres.answers)


KILLS = [kill_backend, kill_gateway, kill_agent, kill_client]


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize("kill", KILLS)
def test_a_result_that_is_cut_is_an_error(
    mortal: Stack, application: str, kill: Callable[[Stack, int], None]
) -> None:
    """In the midst of its rows: the client has an error, never what looks like a whole result."""
    with connect(mortal.forward("db").port, application, autocommit=False) as connection:
        server = backend(connection)
        seen = 0
        with pytest.raises(psycopg.OperationalError), connection.cursor() as cursor:
            for _ in cursor.stream(BIG.encode()):
                seen += 1
                if seen == 1000:
                    kill(mortal, server)
        assert 1000 <= seen < ROWS
    mortal.mend()
    ended = mortal.api.ended(mortal.api.session(application)["id"])
    assert ended["status"] == ("interrupted" if kill is kill_gateway else "failed"), ended
    assert ended["reason"]
    statement = mortal.api.statements(ended["id"])[-1]
    assert (statement["text"], statement["rows"]) == (BIG, None)
    assert mortal.api.verify(ended["id"])["ok"] is True


def backend(connection: psycopg.Connection[Any]) -> int:
    """The server's process, which is not the one that the client's cancel key names."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row
    return int(row[0])


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize("kill", KILLS[:3])
def test_exec_whose_result_is_cut_fails(
    mortal: Stack, postgres: Postgres, kill: Callable[[Stack, int], None]
) -> None:
    """Exit code 1, the reason on stderr, and JSON that does not parse."""
    command = [PENSTOCK, "exec", "db", "-i", BIG, "-o", "json"]
    with subprocess.Popen(
        command, env=environment(mortal.cli.home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        begun = process.stdout.read(100_000)
        with postgres.direct() as server:
            row = server.execute(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()",
                [f"%{MARK}%"],
            ).fetchone()
        assert row
        kill(mortal, row[0])
        rest, errors = process.communicate(timeout=30)
        assert process.returncode == 1
    assert not (begun + rest).rstrip().endswith(b"]")
    assert b"detail" in errors and b"hint" in errors, errors
    mortal.mend()


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize("kill", KILLS)
def test_a_client_that_waits_learns_of_it(
    mortal: Stack, application: str, kill: Callable[[Stack, int], None]
) -> None:
    """Between statements, too: nobody is left hanging."""
    with connect(mortal.forward("db").port, application) as connection:
        kill(mortal, backend(connection))
        with pytest.raises(psycopg.OperationalError):
            list(connection.notifies(timeout=20))
    mortal.mend()
