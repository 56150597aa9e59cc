"""Ending live sessions: at once, whatever they are doing, and their statements with them."""

from __future__ import annotations

import signal
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.clients import connect
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.postgres import Direct, Postgres
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.waiting import until

ACTIVE = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
# What the product promises: kill, expiry and revocation end a live session within one second.
PROMISED_SECONDS = 1.0
# A result that nobody reads is held back at the server, however long it is.
HELD_BYTES = 128 * 1024 * 1024


class Sleeper:
    """A client whose statement runs for ever."""

    def __init__(self, port: int, application: str, pool: ThreadPoolExecutor, server: Direct) -> None:
        self.connection = connect(port, application)
        self.running: Future[Any] = pool.submit(self.connection.execute, "SELECT pg_sleep(600)")
        self._application = application
        self._server = server

    def runs(self) -> bool:
        """True while the server works on it."""
        return self._server.execute(ACTIVE, [self._application]).fetchone() is not None

    def ends(self, since: float) -> str:
        """What the client was told; asserts that client and statement ended in the promised time."""
        error = self.running.exception(20)
        assert time.monotonic() - since < PROMISED_SECONDS
        assert isinstance(error, psycopg.OperationalError), error
        until("the statement was cancelled", lambda: not self.runs(), PROMISED_SECONDS)
        return str(error)


@contextmanager
def sleeping(postgres: Postgres, port: int, application: str) -> Iterator[Sleeper]:
    """A sleeper that sleeps; awake at the end, whatever happens."""
    with postgres.direct() as server, ThreadPoolExecutor() as pool:
        sleeper = Sleeper(port, application, pool, server)
        try:
            until("the statement runs", sleeper.runs)
            yield sleeper
        finally:
            server.execute(TERMINATE, [application])
            sleeper.running.exception(20)
            sleeper.connection.close()


def test_kill_ends_the_session_and_its_statement(stack: Stack, postgres: Postgres, application: str) -> None:
    """The client is told who did it; the recording ends in order and says so."""
    with sleeping(postgres, stack.forward("db").port, application) as sleeper:
        session = stack.api.session(application)
        since = time.monotonic()
        stack.api.post(f"sessions/{session['id']}/kill")
        assert f"killed by {ADMIN}" in sleeper.ends(since)
    ended = stack.api.ended(session["id"])
    assert (ended["status"], ended["reason"]) == ("killed", f"killed by {ADMIN}")
    *_, statement, last = stack.api.replay(session["id"])
    assert (statement["text"], statement["rows"]) == ("SELECT pg_sleep(600)", None)
    assert (last["type"], last["status"]) == ("ended", "killed")
    assert stack.api.verify(session["id"])["ok"] is True


def test_the_command(stack: Stack, postgres: Postgres, application: str) -> None:
    """`penstock sessions kill ID`; a session that is over is a refusal."""
    with sleeping(postgres, stack.forward("db").port, application) as sleeper:
        session = stack.api.session(application)["id"]
        stack.cli.ok("sessions", "kill", session)
        assert sleeper.ends(time.monotonic())
    stack.api.ended(session)
    assert stack.cli.run("sessions", "kill", session, "-o", "json").problem["code"] == "conflict"


def test_exec_that_is_interrupted_cancels_its_statement(stack: Stack, postgres: Postgres) -> None:
    """Ctrl-C: exit code 130, and the server works on nothing any more."""
    sql = f"SELECT pg_sleep(600), '{uuid.uuid4().hex}'"
    runs = "SELECT 1 FROM pg_stat_activity WHERE query = %s AND state = 'active'"
    command = [PENSTOCK, "exec", "db", "-i", sql]
    process = stack.processes.start("exec", command, environment(stack.cli.home), signal.SIGINT)
    with postgres.direct() as server:
        until("the statement runs", lambda: server.execute(runs, [sql]).fetchone())
        process.ask()
        assert process.wait() == 130
        until("the statement was cancelled", lambda: not server.execute(runs, [sql]).fetchone(), 5)


def test_users_kill_their_own_sessions_alone(stack: Stack, postgres: Postgres, application: str) -> None:
    """Another's session does not exist for them."""
    stack.api.post("groups", name="killers")
    stack.connection("theirs", postgres.env(), groups=("killers",))
    user = stack.user("killer@test.example", "killers")
    with (
        sleeping(postgres, stack.forward("db").port, application) as other,
        sleeping(postgres, user.connect("theirs").port, f"{application}-own") as own,
    ):
        foreign = stack.api.session(application)["id"]
        assert user.run("sessions", "kill", foreign, "-o", "json").problem["code"] == "not-found"
        user.ok("sessions", "kill", stack.api.session(f"{application}-own")["id"])
        assert own.ends(time.monotonic())
        assert other.runs()


def memory(stack: Stack) -> int:
    """What gateway and agent hold together, in bytes."""
    pids = (stack.gateway.process.pid, stack.agents[AGENT].pid)
    return sum(psutil.Process(pid).memory_info().rss for pid in pids)


def test_a_client_that_does_not_read(stack: Stack, postgres: Postgres, application: str) -> None:
    """Blocked writers all the way to the server are freed, and the client meets a reset, not an end."""
    with socket.socket() as client, postgres.direct() as server:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", stack.forward("db").port))
        words = b"user\0x\0application_name\0" + application.encode() + b"\0\0"
        client.sendall(struct.pack(">II", 8 + len(words), 196608) + words)
        text = b"SELECT repeat('x', 8000) FROM generate_series(1, 100000)\0"
        client.sendall(b"Q" + struct.pack(">I", 4 + len(text)) + text)
        before = memory(stack)
        waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND wait_event = 'ClientWrite'"
        until("the server is blocked", lambda: server.execute(waits, [application]).fetchone())
        assert memory(stack) - before < HELD_BYTES
        session = stack.api.session(application)["id"]
        since = time.monotonic()
        stack.api.post(f"sessions/{session}/kill")
        assert stack.api.ended(session)["status"] == "killed"
        gone = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s"
        until("its backend is gone", lambda: not server.execute(gone, [application]).fetchone(), 5)
        assert time.monotonic() - since < PROMISED_SECONDS
        client.settimeout(20)
        with pytest.raises(ConnectionResetError):
            while client.recv(1 << 20):
                pass


def end_user(stack: Stack, name: str) -> None:
    """Deletes the user who holds the session."""
    stack.api.delete(f"users/{name}@test.example")


def end_membership(stack: Stack, name: str) -> None:
    """Deletes the group that allowed it."""
    stack.api.delete(f"groups/{name}")


def end_token(stack: Stack, name: str) -> None:
    """Revokes the user's token."""
    Cli(stack.folder / f"{name}@test.example", stack.processes).ok("logout")


def end_connection(stack: Stack, name: str) -> None:
    """Deletes the connection that the session uses."""
    stack.api.delete(f"connections/{name}")


def end_agent(stack: Stack, name: str) -> None:
    """Deletes the agent that the session goes through."""
    stack.api.delete(f"agents/{name}")


@pytest.mark.parametrize("end", [end_user, end_membership, end_token, end_connection, end_agent])
def test_what_ends_a_principal_or_a_way_ends_its_sessions(
    stack: Stack, postgres: Postgres, application: str, end: Callable[[Stack, str], None]
) -> None:
    """Nothing goes on that would not be allowed anew; others go on."""
    name = end.__name__.replace("_", "-")
    stack.api.post("groups", name=name)
    agent = stack.agent(name) if end is end_agent else None
    stack.connection(name, postgres.env(), groups=(name,), agent=name if agent else AGENT)
    user = stack.user(f"{name}@test.example", name)
    with (
        sleeping(postgres, user.connect(name).port, application) as doomed,
        sleeping(postgres, stack.forward("db").port, f"{application}-other") as other,
    ):
        session = stack.api.session(application)["id"]
        end(stack, name)
        told = doomed.ends(time.monotonic())
        ended = stack.api.ended(session)
        assert ended["status"] == "killed" and ended["reason"] in told, ended
        assert other.runs()
    if agent:
        until("the agent says why", lambda: "the agent was deleted" in agent.log.read_text("utf-8"))
        assert agent.stop() == 0


def test_silence_ends_a_session(own_stack: Callable[..., Stack], application: str) -> None:
    """SESSION_IDLE_SECONDS without a byte: expired, and the client is told why."""
    stack = own_stack(SESSION_IDLE_SECONDS="1")
    with connect(stack.forward("db").port, application) as connection:
        connection.execute("SELECT 1")
        ended = stack.api.ended(stack.api.session(application)["id"])
        assert ended["status"] == "expired" and "no byte has passed" in ended["reason"]
        with pytest.raises(psycopg.OperationalError, match="no byte has passed"):
            connection.execute("SELECT 2")
