"""The errors that a person meets first: each says what was wrong and what to do, and betrays nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.marked import MARK, QUERY
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until

pytestmark = pytest.mark.usefixtures("nothing_leaks")


def refusal(cli: Cli, *arguments: str, stdin: str = "") -> dict[str, Any]:
    """The problem that a command ends with; the same words are there for people."""
    problem = cli.run(*arguments, "-o", "json", stdin=stdin).problem
    for_people = cli.run(*arguments, stdin=stdin)
    assert for_people.code == 1
    assert f"error: {problem['detail']}" in for_people.err
    assert problem["hint"] and f"hint: {problem['hint']}" in for_people.err
    assert MARK not in problem["detail"]
    return problem


def says(problem: dict[str, Any], code: str, side: str, detail: str, hint: str) -> bool:
    """Asserts what a problem says."""
    assert (problem["code"], problem["side"]) == (code, side), problem
    assert detail in problem["detail"], problem
    assert hint in problem["hint"], problem
    return True


def refused(stack: Stack, name: str, detail: str, hint: str) -> bool:
    """Asserts what a query says on a connection whose session does not come to be."""
    problem = refusal(stack.cli, "exec", name, "-i", QUERY)
    [session, *_] = stack.api.get("sessions", connection=name)["items"]
    session = stack.api.ended(session["id"])
    assert (session["status"], session["reason"]) == ("failed", problem["detail"])
    return says(problem, "refused", "gateway", detail, hint)


# Who one is


def test_a_wrong_password(stack: Stack, tmp_path: Path) -> None:
    """Nothing tells whether the user exists."""
    for email in (ADMIN, "nobody@test.example"):
        cli = Cli(tmp_path / email, stack.processes)
        login = ("login", "--api-url", stack.gateway.url, "--email", email, "--password-stdin")
        problem = refusal(cli, *login, stdin="not the password\n")
        assert says(
            problem, "unauthenticated", "client", "e-mail or password is wrong", "check both and try again"
        )
        assert not (cli.home / "token").exists()


def test_a_revoked_token(stack: Stack, application: str) -> None:
    """The commands and a running `connect` say so; nothing is opened any more."""
    user = stack.user("revoked@test.example", "admin")
    forward = user.connect("db")
    with stack.gateway.api((user.home / "token").read_text("ascii").strip()) as api:
        for token in api.get("tokens"):
            stack.api.delete(f"tokens/{token['id']}")
    for command in (("list",), ("exec", "db", "-i", QUERY), ("connect", "db", "--port", "0")):
        problem = refusal(user, *command)
        assert says(problem, "unauthenticated", "client", "revoked", "penstock login")
    with pytest.raises(psycopg.OperationalError):
        connect(forward.port, application)
    notice = until("connect tells why", forward.notices)[-1]
    assert "revoked" in notice["message"] and "penstock login" in notice["hint"]


def test_a_token_that_is_revoked_during_a_session(stack: Stack, application: str) -> None:
    """Ends it within a second, and the client is told why."""
    user = stack.user("midway@test.example", "admin")
    forward = user.connect("db")
    with connect(forward.port, application) as connection, ThreadPoolExecutor() as pool:
        session = stack.api.session(application)["id"]
        running = pool.submit(connection.execute, f"SELECT pg_sleep(600), '{MARK}'".encode())
        until("the statement is recorded", lambda: stack.api.statements(session))
        user.ok("logout")
        revoked = time.monotonic()
        error = running.exception(20)
        assert time.monotonic() - revoked < 1.0
        assert isinstance(error, psycopg.OperationalError) and "the token was revoked" in str(error)
    ended = stack.api.ended(session)
    assert (ended["status"], ended["reason"]) == ("killed", "the token was revoked")


def test_an_expired_token(own_stack: Callable[..., Stack], application: str) -> None:
    """Ends the session at its second, and says how to get a new one."""
    stack = own_stack(TOKEN_TTL_SECONDS="10")
    over = pytest.raises(psycopg.OperationalError, match="the session's time is over")
    with connect(stack.forward("db").port, application) as connection, over:
        connection.execute(f"SELECT pg_sleep(600), '{MARK}'".encode())
    # A plan's end is a whole second; the token's is within the next one.
    until("the token is over, too", lambda: stack.cli.run("list").code == 1)
    problem = refusal(stack.cli, "exec", "db", "-i", QUERY)
    assert says(problem, "unauthenticated", "client", "the token has expired", "penstock login")
    stack.api.log_in(ADMIN, stack.gateway.password)
    assert stack.api.session(application)["status"] == "expired"


def test_not_logged_in(stack: Stack, tmp_path: Path) -> None:
    """Before anything is sent."""
    problem = refusal(Cli(tmp_path, stack.processes), "list")
    assert says(problem, "unauthenticated", "client", "not logged in", "penstock login")


# What one may use


def test_an_unknown_connection(stack: Stack) -> None:
    """Named, and where to look."""
    for command in (("exec", "nowhere", "-i", QUERY), ("connect", "nowhere"), ("describe", "nowhere")):
        problem = refusal(stack.cli, *command)
        assert says(problem, "not-found", "client", "'nowhere'", "penstock list")


def test_a_forbidden_connection(stack: Stack) -> None:
    """Who has no group of it is told no more than that it is not there for them."""
    user = stack.user("outsider@test.example")
    for command in (("exec", "db", "-i", QUERY), ("connect", "db", "--port", "0")):
        problem = refusal(user, *command)
        assert says(problem, "not-found", "client", "'db'", "penstock list")
    assert stack.api.get("sessions", principal="outsider@test.example")["items"] == []


def test_a_connection_that_is_forbidden_while_it_is_forwarded(
    stack: Stack, postgres: Postgres, application: str
) -> None:
    """The decision is made for every session anew; `connect` passes the reason on."""
    stack.api.post("groups", name="shortlived")
    stack.connection("shortlived", postgres.env(), groups=("shortlived",))
    forward = stack.user("former@test.example", "shortlived").connect("shortlived")
    connect(forward.port, application).close()
    stack.api.delete("groups/shortlived")
    with pytest.raises(psycopg.OperationalError):
        connect(forward.port, application)
    notice = until("connect tells why", forward.notices)[-1]
    assert "former@test.example may not use 'shortlived'" in notice["message"]
    assert "ask an admin" in notice["hint"]


# The way to the upstream


def test_an_agent_that_is_offline(stack: Stack, postgres: Postgres, application: str) -> None:
    """Never started, so there is nothing to wait for."""
    stack.api.post("agents", name="asleep")
    stack.connection("far", postgres.env(), agent="asleep")
    assert refused(stack, "far", "agent asleep is offline", "penstock admin create agent asleep")
    done = psql(stack.forward("far").port, application, "-c", QUERY)
    assert done.code == 2
    assert "FATAL" in done.err and "asleep" in done.err and "HINT" in done.err
    assert stack.api.ended(stack.api.session(application)["id"])["status"] == "failed"


@pytest.mark.parametrize("kind", ["wrong secret", "deleted agent", "no key", "half a key"])
def test_a_wrong_agent_key(stack: Stack, kind: str, tmp_path: Path) -> None:
    """The agent ends and says why; redialling would not help."""
    name = f"wrong-{kind.partition(' ')[0]}"
    key = stack.api.post("agents", name=name)["key"]
    head, _, tail = key.partition("@")
    variables = {
        "wrong secret": {"PENSTOCK_KEY": f"{head[:-6]}aaaaaa@{tail}"},
        "deleted agent": {"PENSTOCK_KEY": key},
        "half a key": {"PENSTOCK_KEY": head},
        "no key": {},
    }[kind]
    if kind == "deleted agent":
        stack.api.delete(f"agents/{name}")
    command = [PENSTOCK, "start", "agent"]
    agent = stack.processes.start(name, command, environment(tmp_path, variables))
    assert agent.wait() == 1
    told = agent.log.read_text("utf-8")
    assert "error: " in told and "hint: " in told
    if kind in ("wrong secret", "deleted agent"):
        assert "the agent's key is wrong, or the agent was deleted" in told
        assert f"penstock admin create agent {name}" in told
    else:
        assert "PENSTOCK_KEY" in told
    assert head.rpartition(":")[2] not in told


def test_an_upstream_that_is_down(stack: Stack, postgres: Postgres) -> None:
    """Nothing listens there; or nobody knows the name."""
    stack.connection("down", postgres.env(PORT=str(free_port())))
    assert refused(stack, "down", "127.0.0.1:", "is it running")
    stack.connection("nameless", postgres.env(HOST="db.nowhere.invalid"))
    assert refused(stack, "nameless", "db.nowhere.invalid", "HOST")
    stack.connection("socketless", postgres.env(HOST="/nowhere"))
    assert refused(stack, "socketless", "/nowhere", "is it running")


def test_an_upstream_that_is_no_postgres(stack: Stack, postgres: Postgres) -> None:
    """The gateway's own API, for one."""
    stack.connection("web", postgres.env(PORT=str(stack.gateway.admin_port)))
    assert refused(stack, "web", "does not answer as PostgreSQL does", "HOST and PORT")


@pytest.mark.parametrize(
    ("changes", "words", "hint"),
    [
        ({"PASS": "wrong"}, "password authentication failed", "USER, PASS"),
        ({"DB": "nowhere"}, 'database "nowhere" does not exist', "DB"),
        ({"USER": "banned"}, "pg_hba.conf rejects connection", "pg_hba.conf"),
        ({"USER": "nobody"}, "no pg_hba.conf entry", "USER, PASS"),
    ],
)
def test_an_upstream_that_refuses_the_login(
    stack: Stack, postgres: Postgres, changes: dict[str, str], words: str, hint: str
) -> None:
    """The server's own words, and which setting of the connection is to be looked at."""
    name = f"refused-{'-'.join([*changes, *changes.values()]).lower()}"
    stack.connection(name, postgres.env(**changes))
    assert refused(stack, name, words, hint)


def test_a_target_that_the_agent_does_not_allow(stack: Stack, postgres: Postgres) -> None:
    """PENSTOCK_ALLOW is the agent's own word; link-local and metadata addresses are never dialled."""
    stack.agent("strict", {"PENSTOCK_ALLOW": f"10.0.0.0/8:*,127.0.0.1:{postgres.port + 1}"})
    stack.connection("elsewhere", postgres.env(), agent="strict")
    stack.connection("metadata", postgres.env(HOST="169.254.169.254", PORT="80"))
    for name, address in (("elsewhere", f"127.0.0.1:{postgres.port}"), ("metadata", "169.254.169.254:80")):
        assert refused(stack, name, f"{address} is not among the targets", "PENSTOCK_ALLOW")
    stack.agent("fair", {"PENSTOCK_ALLOW": f"127.0.0.0/8:{postgres.port}"})
    stack.connection("allowed", postgres.env(), agent="fair")
    assert stack.cli.run("exec", "allowed", "-i", QUERY).code == 0
