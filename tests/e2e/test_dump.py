"""pg_dump and pg_restore of the demo's shop: what comes out through us is what comes out without us."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from psycopg import sql

from tests.e2e.stack.cli import Result
from tests.e2e.stack.clients import program, run, target
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack

# The key of psql's \restrict, which is a random one otherwise.
PLAIN = ("--format=plain", "--restrict-key=same")


@contextmanager
def database(postgres: Postgres) -> Iterator[str]:
    """A new one, which belongs to the role that connections log in as."""
    name = sql.Identifier(made := f"shop_{uuid.uuid4().hex[:8]}")
    with postgres.direct() as server:
        server.execute(sql.SQL("CREATE DATABASE {} OWNER scram").format(name))
        yield made
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@pytest.fixture(scope="module")
def shop(postgres: Postgres) -> Iterator[str]:
    """The demo's database, with a large object beside its tables."""
    with database(postgres) as name:
        script = files("penstock.demo").joinpath("shop.sql").read_text("utf-8")
        large = "SELECT lo_from_bytea(0, decode(repeat('c0ffee', 100000), 'hex'));"
        filled = direct(
            postgres, name, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", stdin=f"{script}\n;{large}"
        )
        assert filled.code == 0, filled
        yield name


def direct(postgres: Postgres, name: str, tool: str, *arguments: str, stdin: str = "") -> Result:
    """One of PostgreSQL's programs on a database, around the gateway."""
    where = ("-h", str(postgres.socket_folder), "-p", str(postgres.port), "-U", "scram", "-d", name)
    password = {"PGPASSWORD": postgres.passwords["scram"]}
    return run([program(tool), *where, *arguments], "direct", stdin, password)


def chained(stack: Stack, port: int, application: str, tool: str, *arguments: str) -> None:
    """One of PostgreSQL's programs through the gateway, to its end; its sessions are recorded whole."""
    done = run([program(tool), *target(port), "-d", "anything", *arguments], application)
    assert (done.code, done.err) == (0, ""), done
    sessions = [stack.api.ended(session["id"]) for session in stack.api.sessions(application)]
    assert sessions and {session["status"] for session in sessions} == {"closed"}
    assert all(stack.api.verify(session["id"])["ok"] is True for session in sessions)


def digest(text: str) -> str:
    """What both sides are compared by."""
    return hashlib.sha256(text.encode()).hexdigest()


def dumped(postgres: Postgres, name: str) -> str:
    """The digest of a database as it is told without us."""
    done = direct(postgres, name, "pg_dump", *PLAIN)
    assert done.code == 0 and "COPY public.orders" in done.out, done.err
    return digest(done.out)


def through(stack: Stack, postgres: Postgres, name: str) -> int:
    """The port of a new connection to a database."""
    connection = stack.connection(f"dump-{uuid.uuid4().hex[:8]}", postgres.env(DB=name))
    return stack.forward(connection).port


def test_a_dump_is_the_same(
    stack: Stack, postgres: Postgres, shop: str, application: str, tmp_path: Path
) -> None:
    """201,000 rows and a large object, in plain text."""
    file = tmp_path / "shop.sql"
    chained(stack, through(stack, postgres, shop), application, "pg_dump", *PLAIN, "-f", str(file))
    assert digest(file.read_text("utf-8")) == dumped(postgres, shop)


def test_a_dump_and_its_restoration_by_several_at_once(
    stack: Stack, postgres: Postgres, shop: str, application: str, tmp_path: Path
) -> None:
    """Both ways through the gateway, three at once on one snapshot: nothing is lost or added."""
    folder = str(tmp_path / "shop")
    with database(postgres) as other:
        port = through(stack, postgres, shop)
        chained(stack, port, f"{application}-dump", "pg_dump", "-Fd", "-j", "3", "-f", folder)
        port = through(stack, postgres, other)
        chained(
            stack,
            port,
            f"{application}-load",
            "pg_restore",
            "--no-owner",
            "-j",
            "3",
            "--exit-on-error",
            folder,
        )
        assert dumped(postgres, other) == dumped(postgres, shop)
