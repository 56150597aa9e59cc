"""The errors that a person meets first: each says what was wrong and what to do, and betrays nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.stack.cli import Cli, Forward
from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.logs import leaks
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until

# Stands in every statement of this file, so that it would be found in a log.
MARK = f"mark{secrets.token_hex(8)}"
QUERY = f"SELECT '{MARK}'"
ROWS = 2_000_000
BIG = f"SELECT n, '{MARK}', repeat('x', 200) FROM generate_series(1, {ROWS}) AS n"


@pytest.fixture(autouse=True)
def nothing_leaks(root: Path, postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: no log of any process holds a password, a token, a key's secret or a statement."""
    names = [name for name in ("stack", "mortal") if name in request.fixturenames]
    stacks: list[Stack] = [request.getfixturevalue(name) for name in names]
    yield
    words = [MARK, *postgres.passwords.values()]
    for stack in stacks:
        words += [stack.gateway.password, stack.api.token or ""]
        words += [key.partition("@")[0].rpartition(":")[2] for key in stack.keys.values()]
        words += [token.read_text("ascii").strip() for token in stack.folder.glob("*/token")]
    assert leaks(root, words) == []


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


# What breaks in the middle


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


# Strangers at the ports


GARBAGE = {
    "nothing": b"",
    "noise": bytes(range(256)) * 64,
    "half a TLS record": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP without an end": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "HTTP/2 without an end": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 with garbage behind": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096,
    "a long header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000,
    "a huge PostgreSQL length": struct.pack(">II", 0x7FFFFFFF, 196608) + b"user\0",
    "a negative PostgreSQL length": struct.pack(">II", 0xFFFFFFFF, 196608),
    "half a PostgreSQL start": struct.pack(">II", 100, 196608) + b"user\0",
}


def test_garbage_and_half_open_connections_on_each_port(stack: Stack, application: str) -> None:
    """Others go on meanwhile, nothing is opened for strangers, and none is kept for long."""
    ports = (stack.gateway.http_port, stack.gateway.grpc_port, stack.forward("db").port)
    before = len(stack.api.get("sessions", limit=200)["items"])
    with ExitStack() as exits:
        strangers = {
            (port, name): exits.enter_context(stranger(port, words))
            for port in ports
            for name, words in GARBAGE.items()
        }
        for port in ports[:2]:
            strangers[port, "TLS and then nothing"] = exits.enter_context(silent_tls(port))
        assert stack.cli.run("exec", "db", "-i", QUERY).code == 0
        assert psql(ports[2], application, "-Atc", "SELECT 5").out == "5\n"
        until(
            "all are turned away",
            lambda: [name for name, client in strangers.items() if not is_closed(client)] == [],
            40,
        )
    assert psql(ports[2], application, "-Atc", "SELECT 6").out == "6\n"
    assert len(stack.api.get("sessions", limit=200)["items"]) == min(before + 3, 200)


def stranger(port: int, words: bytes) -> socket.socket:
    """Somebody who says this and then nothing."""
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(5)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        client.sendall(words)
    client.setblocking(False)
    return client


def silent_tls(port: int) -> ssl.SSLSocket:
    """Somebody who finishes the handshake and then says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    client.setblocking(False)
    return client


def is_closed(client: socket.socket) -> bool:
    """True once the other side has closed."""
    try:
        while client.recv(65536):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    return True


def test_garbage_is_told_what_is_wrong(stack: Stack) -> None:
    """A client of protocol 2, or one that names nobody, gets an error of PostgreSQL's form with a hint."""
    forward: Forward = stack.forward("db")
    for words in (struct.pack(">II", 9, 2 << 16) + b"\0", struct.pack(">II", 9, 196608) + b"\0"):
        with socket.create_connection(("127.0.0.1", forward.port), timeout=20) as client:
            client.sendall(words)
            answer = b""
            while data := client.recv(4096):
                answer += data
        assert answer[:1] == b"E" and b"SFATAL\0" in answer and b"\0H" in answer, answer
