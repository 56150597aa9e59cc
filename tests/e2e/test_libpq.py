"""A client in plain C, with all that libpq offers beyond simple queries: it sees what it sees without us."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.stack.clients import program, run
from tests.e2e.stack.postgres import DATABASE, Postgres
from tests.e2e.stack.stack import Stack

SOURCE = Path(__file__).with_name("clients") / "libpq.c"

TOLD = (
    "same: 1",
    "unlinked: 1",
    "COPY copied FROM STDIN: PGRES_FATAL_ERROR  57014 COPY from stdin failed: the client gave up",
    'COPY copied FROM STDIN: PGRES_FATAL_ERROR  22P02 invalid input syntax for type integer: "no number"',
    "copied: 8999 rows, 18009 bytes",
    "pipeline: PGRES_PIPELINE_ABORTED  - -",
    "cancelled: PGRES_FATAL_ERROR  57014 canceling statement due to user request",
    "notice: for your eyes",
    "heard on news: to myself",
)
# lo_write is function 955, in every PostgreSQL.
RECORDED = (
    ("-- a call of the function with OID 955", 0, None),
    ("COPY copied FROM STDIN", 3, None),
    ("COPY copied FROM STDIN", None, "57014: COPY from stdin failed: the client gave up"),
    (
        "COPY (SELECT 100 / (9000 - n) FROM generate_series(1, 10000) n) TO STDOUT",
        None,
        "22012: division by zero",
    ),
    ("SELECT 'skipped'", None, "not executed: an earlier message of the pipeline failed"),
    ("SELECT $1::int + $2::int AS sum", 1, None),
    ("MOVE 90 IN c", 90, None),
    ("SELECT pg_sleep(600)", None, "57014: canceling statement due to user request"),
)


@pytest.fixture(scope="module")
def client(root: Path) -> Path:
    """The program, built against the libpq of the wheel's PostgreSQL."""
    tree = program("psql").parent.parent
    built = root / "libpq"
    compiler = shutil.which("cc")
    assert compiler, "a C compiler is needed, as it is to build the core"
    flags = ["-Wall", "-Wextra", "-Werror", "-std=c11", "-D_POSIX_C_SOURCE=200809L"]
    library = [f"-I{tree}/include", f"-L{tree}/lib", "-lpq", f"-Wl,-rpath,{tree}/lib"]
    done = subprocess.run(
        [compiler, *flags, "-o", built, SOURCE, *library], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return built


def test_plain_c(stack: Stack, postgres: Postgres, application: str, client: Path) -> None:
    """Large objects by the function call protocol, COPY that breaks midway on either side, pipelines, chunks,
    portals, cancel, notices and notifications."""
    password = postgres.passwords["scram"]
    server = f"host=127.0.0.1 port={postgres.port} user=scram dbname={DATABASE} password={password}"
    direct = run([client, server], application)
    assert direct.code == 0, direct
    told = direct.out.splitlines()
    for line in TOLD:
        assert line in told, direct.out
    forwarded = f"host=127.0.0.1 port={stack.forward('db').port} user=x dbname=y"
    chained = run([client, forwarded], application)
    assert (chained.code, chained.out.splitlines(), chained.err) == (0, told, "")
    session = stack.api.ended(stack.api.session(application)["id"])
    assert session["status"] == "closed"
    assert stack.api.verify(session["id"])["ok"] is True
    outcomes = [(s["text"], s["rows"], s["error"]) for s in stack.api.statements(session["id"])]
    for outcome in RECORDED:
        assert outcome in outcomes, outcomes
