"""pgjdbc, and what DBeaver asks with it: it sees what it sees without us."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.e2e.stack.cli import Result
from tests.e2e.stack.clients import run
from tests.e2e.stack.peers import Peers, cache
from tests.e2e.stack.postgres import DATABASE, Postgres
from tests.e2e.stack.stack import Stack

SOURCE = Path(__file__).with_name("clients") / "Jdbc.java"
DRIVER = {"sid": ("libpostgresql-jdbc-java",)}
TOLD = (
    "SELECT current_schema(), session_user: public",
    "column: name text",
    "valid: true",
    "sum: 41",
    "batch: 1000",
    "batch: 23505",
    "fetched: 1000",
    "SELECT count(*) FROM things: 990",
    "copied in: 2",
    "copy: 22P02",
    "large object: true 100000",
    "warning: for your eyes",
    "heard: jdbc to myself",
    "cancelled: 57014",
    "SELECT 'still here': still here",
)


@pytest.fixture(scope="module")
def driver() -> Path:
    """Debian's newest."""
    peers = Peers(cache() / "jdbc", releases=DRIVER)
    peers.bring()
    return peers.folder / "sid" / "usr/share/java/postgresql.jar"


def use(driver: Path, port: int, user: str, password: str, **options: str) -> Result:
    """Runs the program; Java compiles it first."""
    java = shutil.which("java")
    assert java, "a JDK is needed: install default-jdk-headless"
    url = f"jdbc:postgresql://127.0.0.1:{port}/{DATABASE}?{urlencode(options)}"
    return run([java, "-cp", driver, SOURCE, url, user, password], "jdbc")


def test_pgjdbc(stack: Stack, postgres: Postgres, application: str, driver: Path) -> None:
    """Catalogue, server-side prepared statements, batches, portals that are fetched from piece by piece,
    savepoints, COPY, large objects, notices, cancel."""
    direct = use(driver, postgres.port, "scram", postgres.passwords["scram"])
    assert (direct.code, direct.err) == (0, ""), direct
    told = direct.out.splitlines()
    assert [line for line in TOLD if line not in told] == [], direct.out
    chained = use(driver, stack.forward("db").port, application, "not looked at")
    assert (chained.code, chained.out.splitlines(), chained.err) == (0, told, "")
    # The driver names its application only once it is logged in.
    sessions = stack.api.get("sessions", limit=200)["items"]
    [session] = [session["id"] for session in sessions if session["client"]["user"] == application]
    assert stack.api.ended(session)["status"] == "closed"
    statements = [(s["text"], s["rows"], s["error"]) for s in stack.api.statements(session)]
    assert statements.count(("SELECT $1::int + $2::int", 1, None)) == 12
    # Fifty rows at a time, and at last none.
    pieces = [rows for text, rows, _ in statements if text == "SELECT id, name FROM things ORDER BY id"]
    assert pieces == [50] * 20 + [0]
    assert ("SELECT pg_sleep(600)", None, "57014: canceling statement due to user request") in statements


@pytest.mark.parametrize(
    "option", [{"preferQueryMode": "simple"}, {"gssEncMode": "prefer", "sslmode": "prefer"}]
)
def test_other_ways_in(stack: Stack, application: str, driver: Path, option: dict[str, str]) -> None:
    """Simple queries alone; and both kinds of encryption asked for, neither to be had."""
    done = use(driver, stack.forward("db").port, application, "not looked at", **option)
    assert (done.code, done.err) == (0, ""), done
    assert "SELECT 'still here': still here" in done.out.splitlines()
