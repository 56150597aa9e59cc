"""Real clients through the whole chain: what they see is what the server says, and it is all recorded."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.e2e.stack.clients import Connection, client_environment, connect, program, psql, run, target
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until

MIB = 1024 * 1024
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = %s"


def through(stack: Stack, application: str, *, autocommit: bool = False) -> Connection:
    """psycopg through the chain."""
    return connect(stack.forward("db").port, application, autocommit=autocommit)


def recorded(stack: Stack, application: str) -> list[dict[str, Any]]:
    """The statements of the client's only session, once it is closed; its recording is whole."""
    [session] = stack.api.sessions(application)
    ended = stack.api.ended(session["id"])
    assert ended["status"] == "closed", ended
    assert stack.api.verify(session["id"])["ok"] is True
    return stack.api.statements(session["id"])


def outcome(statement: dict[str, Any]) -> tuple[str, int | None, str | None]:
    """What is looked at most often."""
    error = statement["error"]
    return statement["text"], statement["rows"], error and error.partition(":")[0]


SHOWN = r"""
\set VERBOSITY verbose
\pset null '<null>'
SHOW server_version; SHOW client_encoding; SHOW TimeZone;
SELECT current_user, session_user, current_database();
CREATE TEMP TABLE t (id int PRIMARY KEY, name text, data bytea, at timestamptz, amount numeric(20, 5));
INSERT INTO t SELECT n, repeat('ä€𝄞', n % 7), decode(md5(n::text), 'hex'),
    timestamptz 'epoch' + n * interval '1 h', n / 7.0 FROM generate_series(1, 5000) AS n;
INSERT INTO t VALUES (1);
SELECT * FROM t ORDER BY id;
\d t
SELECT 1 \; SELECT 'two' \; SELECT NULL;
SELECT $1::int + $2 AS sum \bind 3 4 \g
SELECT id, name FROM t WHERE id < 4 \gdesc
\set FETCH_COUNT 100
SELECT id, name, data FROM t ORDER BY id DESC;
\unset FETCH_COUNT
COPY t TO STDOUT;
COPY (SELECT * FROM t WHERE id % 3 = 0) TO STDOUT (FORMAT csv, HEADER);
COPY t (id, name) FROM STDIN;
9001	first
9002	\N
\.
COPY t (id) FROM STDIN;
no number
\.
DO $$ BEGIN
    RAISE NOTICE 'a notice'; RAISE WARNING 'a warning' USING HINT = 'a hint', DETAIL = 'a detail';
END $$;
BEGIN; SAVEPOINT s; SELECT 1 / 0; ROLLBACK TO s; SELECT count(*) FROM t; COMMIT;
SELEC;
;
-- nothing but a comment
PREPARE p (int) AS SELECT name FROM t WHERE id = $1; EXECUTE p(3); DEALLOCATE p;
BEGIN; DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id; FETCH 3 FROM c; MOVE 10 IN c; FETCH 2 FROM c; END;
\startpipeline
SELECT 'piped', $1 \bind 1 \sendpipeline
SELECT 'piped', $1 \bind 2 \sendpipeline
\endpipeline
LISTEN channel; NOTIFY channel, 'news'; SELECT 1 WHERE false;
SELECT repeat('w', 3000000);
VALUES (1, E'tab\there'), (2, E'line\nbreak');
"""


def test_psql_shows_the_same_as_without_us(stack: Stack, postgres: Postgres, application: str) -> None:
    """Results, notices, errors, COPY, pipelines: byte by byte."""
    arguments, password = postgres.direct_arguments(), {"PGPASSWORD": postgres.passwords["scram"]}
    direct = run([program("psql"), *arguments, "-X"], application, SHOWN, password)
    chained = psql(stack.forward("db").port, application, stdin=SHOWN)
    assert "a notice" in direct.err and "PRIMARY KEY" in direct.out and "news" in direct.out
    for ours, theirs in ((chained.out, direct.out), (chained.err, direct.err)):
        assert without_numbers(ours).splitlines() == without_numbers(theirs).splitlines()
    assert chained.code == direct.code == 0
    texts = [statement["text"] for statement in recorded(stack, application)]
    assert "SELECT $1::int + $2 AS sum " in texts


def without_numbers(text: str) -> str:
    """psql shows the number of the notifying backend, and that of a temporary schema."""
    return re.sub(r"(?<=server process with PID )\d+|(?<=pg_temp_)\d+", "N", text)


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_pgbench(stack: Stack, application: str, protocol: str) -> None:
    """`pgbench -i` by COPY, then eight clients at once; every transaction is recorded."""
    port = stack.forward("db").port
    made = run([program("pgbench"), *target(port), "-i", "-q", "anything"], f"{application}-i")
    assert made.code == 0, made
    arguments = ("-n", "-c", "8", "-j", "2", "-t", "25", "-M", protocol)
    done = run([program("pgbench"), *target(port), *arguments, "anything"], application)
    assert done.code == 0, done
    assert "number of transactions actually processed: 200/200" in done.out
    assert "number of failed transactions: 0 (0.000%)" in done.out
    sessions = [stack.api.ended(session["id"]) for session in stack.api.sessions(application)]
    busy = [session for session in sessions if session["statements"] > 7]
    assert len(busy) == 8
    for session in busy:
        texts = [statement["text"] for statement in stack.api.statements(session["id"])]
        assert sum(text.startswith("UPDATE pgbench_accounts") for text in texts) == 25
        assert sum(text.startswith("END") for text in texts) == 25
        assert stack.api.verify(session["id"])["ok"] is True


def test_asyncpg(stack: Stack, application: str) -> None:
    """Binary results, prepared statements, cursors, COPY both ways, notifications."""

    async def use() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=stack.forward("db").port,
            user="x",
            password="not looked at",
            database="y",
            server_settings={"application_name": application},
        )
        heard: asyncio.Queue[str] = asyncio.Queue()
        await connection.add_listener("apg", lambda *message: heard.put_nowait(message[-1]))
        await connection.execute("CREATE TEMP TABLE apg (id int, data bytea)")
        await connection.copy_records_to_table("apg", records=[(n, bytes([n % 256]) * n) for n in range(999)])
        statement = await connection.prepare("SELECT data FROM apg WHERE id = $1")
        assert [await statement.fetchval(n) for n in (1, 500)] == [b"\1", b"\xf4" * 500]
        async with connection.transaction():
            cursor = connection.cursor("SELECT id FROM apg ORDER BY id", prefetch=100)
            assert [record["id"] async for record in cursor] == list(range(999))
        await connection.executemany("INSERT INTO apg VALUES ($1, NULL)", [(n,) for n in range(1000, 1100)])
        assert await connection.fetchval("SELECT count(*) FROM apg") == 1099
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.fetch("SELECT * FROM nowhere")
        await connection.execute("NOTIFY apg, 'to myself'")
        assert await asyncio.wait_for(heard.get(), 10) == "to myself"
        await connection.close()

    asyncio.run(use())
    statements = {statement["text"]: statement for statement in recorded(stack, application)}
    assert outcome(statements["SELECT * FROM nowhere"])[1:] == (None, "42P01")
    assert statements["SELECT count(*) FROM apg"]["rows"] == 1


def test_statement_errors_go_on(stack: Stack, application: str) -> None:
    """An error ends the statement, not the session; a failed transaction stays failed until it ends."""
    with through(stack, application, autocommit=True) as connection:
        for sql, error in (
            ("SELEC 1", psycopg.errors.SyntaxError),
            ("SELECT 1 / 0", psycopg.errors.DivisionByZero),
            ("SELECT * FROM nowhere", psycopg.errors.UndefinedTable),
        ):
            with pytest.raises(error):
                connection.execute(sql)
        with pytest.raises(psycopg.errors.InFailedSqlTransaction), connection.transaction():
            with pytest.raises(psycopg.errors.UndefinedColumn):
                connection.execute("SELECT nothing")
            connection.execute("SELECT 1")
        assert connection.execute("SELECT 'still here'").fetchone() == ("still here",)
    assert [outcome(statement) for statement in recorded(stack, application)] == [
        ("SELEC 1", None, "42601"),
        ("SELECT 1 / 0", None, "22012"),
        ("SELECT * FROM nowhere", None, "42P01"),
        ("BEGIN", 0, None),
        ("SELECT nothing", None, "42703"),
        ("SELECT 1", None, "25P02"),
        ("ROLLBACK", 0, None),
        ("SELECT 'still here'", 1, None),
    ]


def test_transactions_are_the_servers_own(stack: Stack, postgres: Postgres, application: str) -> None:
    """What is rolled back never was; what is committed others see."""
    with through(stack, application) as connection, postgres.direct() as other:
        connection.execute("CREATE TABLE kept (a int)")
        connection.commit()
        connection.execute("INSERT INTO kept VALUES (1)")
        assert other.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        connection.rollback()
        connection.execute("INSERT INTO kept VALUES (2)")
        connection.commit()
        assert other.execute("SELECT a FROM kept").fetchall() == [(2,)]
        other.execute("DROP TABLE kept")


def test_a_pipeline_with_an_error_in_it(stack: Stack, application: str) -> None:
    """In flight before the answers; those after an error are skipped, those after the sync are not."""
    with through(stack, application, autocommit=True) as connection:
        with connection.pipeline() as pipeline:
            first = connection.execute("SELECT %s::int", [1])
            pipeline.sync()
            connection.execute("SELECT 1 / %s::int", [0])
            connection.execute("SELECT %s::int", [3])
            with pytest.raises(psycopg.errors.DivisionByZero):
                pipeline.sync()
            last = connection.execute("SELECT %s::int", [4])
        assert first.fetchone() == (1,)
        assert last.fetchone() == (4,)
    assert [outcome(statement)[1:] for statement in recorded(stack, application)] == [
        (1, None),
        (None, "22012"),
        (None, "not executed"),
        (1, None),
    ]


def test_copy_both_ways(stack: Stack, application: str) -> None:
    """Rows in and out by COPY, in text and in binary, and a COPY that the client gives up."""
    rows = [(n, f"row {n} \t \\ ä") for n in range(20_000)]
    with through(stack, application) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE copied (a int, b text)")
        with cursor.copy("COPY copied FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        with cursor.copy("COPY copied TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(["int4", "text"])
            assert list(copy.rows()) == rows
        with pytest.raises(psycopg.errors.QueryCanceled), cursor.copy("COPY copied FROM STDIN") as copy:
            copy.write_row(rows[0])
            raise psycopg.errors.QueryCanceled("given up")
    copies = [outcome(s) for s in recorded(stack, application) if s["text"].startswith("COPY")]
    assert [(rows, error) for _, rows, error in copies] == [(20_000, None), (20_000, None), (None, "57014")]


def test_notifications_and_notices(stack: Stack, postgres: Postgres, application: str) -> None:
    """LISTEN hears what others say while nothing else happens; RAISE reaches the client."""
    with through(stack, application, autocommit=True) as connection, postgres.direct() as other:
        notices: list[str | None] = []
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute("DO $$ BEGIN RAISE NOTICE 'for your eyes'; END $$")
        assert notices == ["for your eyes"]
        connection.execute("LISTEN news")
        other.execute("NOTIFY news, 'from another'")
        [heard] = connection.notifies(timeout=10, stop_after=1)
        assert (heard.channel, heard.payload) == ("news", "from another")


def test_prepared_statements_and_cursors(stack: Stack, application: str) -> None:
    """Parsed once and run often: each run is a statement with its text."""
    with through(stack, application) as connection:
        for n in range(5):
            found = connection.execute("SELECT %s::int * 2", [n], prepare=True).fetchone()
            assert found == (n * 2,)
        with connection.cursor("named") as cursor:
            cursor.execute("SELECT generate_series(1, 1000)")
            assert len(cursor.fetchmany(10)) == 10
            assert len(cursor.fetchall()) == 990
    statements = recorded(stack, application)
    assert [outcome(s) for s in statements if "* 2" in s["text"]] == [("SELECT $1::int * 2", 1, None)] * 5
    assert sum(s["rows"] or 0 for s in statements if s["text"].startswith("FETCH")) == 1000


def test_a_row_of_40_mib(stack: Stack, application: str) -> None:
    """There is no limit on a result's messages."""
    with through(stack, application) as connection:
        row = connection.execute("SELECT repeat('0123456789abcdef', 2621440)").fetchone()
        assert row is not None
        assert (
            hashlib.sha256(row[0].encode()).digest() == hashlib.sha256(b"0123456789abcdef" * 2621440).digest()
        )
    [session] = stack.api.sessions(application)
    assert stack.api.ended(session["id"])["upstream_bytes"] > 40 * MIB
    [statement, *_] = [s for s in recorded(stack, application) if "repeat" in s["text"]]
    assert statement["rows"] == 1


def test_a_statement_of_20_mib(stack: Stack, application: str) -> None:
    """It runs whole; the recording keeps its beginning, its length and its digest."""
    texts = [f"SELECT length('{letter * (20 * MIB)}')" for letter in "aab"]
    with through(stack, application, autocommit=True) as connection:
        for text in texts:
            assert connection.execute(text.encode()).fetchone() == (20 * MIB,)
    statements = recorded(stack, application)
    for text, statement in zip(texts, statements, strict=True):
        assert statement["truncated"] is True
        assert statement["bytes"] == len(text)
        assert len(statement["text"]) == MIB and text.startswith(statement["text"])
        assert (statement["rows"], statement["error"]) == (1, None)
    digests = [statement["digest"] for statement in statements]
    assert digests[0] == digests[1] != digests[2] and len(digests[0]) == 64


@pytest.mark.parametrize("cancel", ["cancel", "cancel_safe"])
def test_a_client_cancels(stack: Stack, postgres: Postgres, application: str, cancel: str) -> None:
    """A CancelRequest with the gateway's own key stops the statement, and only that one."""
    with through(stack, application, autocommit=True) as connection:
        with postgres.direct() as server, ThreadPoolExecutor() as pool:
            running = pool.submit(connection.execute, "SELECT pg_sleep(600)")
            until("the statement runs", lambda: server.execute(RUNNING, [application]).fetchone() == (1,))
            getattr(connection, cancel)()
            with pytest.raises(psycopg.errors.QueryCanceled):
                running.result(20)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    first, second = recorded(stack, application)
    assert first["error"].startswith("57014")
    assert second["rows"] == 1
    [session] = stack.api.sessions(application)
    assert "cancel" in [event["type"] for event in stack.api.replay(session["id"])]


def test_psql_cancels_by_ctrl_c(stack: Stack, postgres: Postgres, application: str) -> None:
    """SIGINT in psql."""
    port = stack.forward("db").port
    command = [str(program("psql")), *target(port), "-d", "x", "-X", "-c", "SELECT pg_sleep(600)"]
    with (
        postgres.direct() as server,
        subprocess.Popen(
            command, env=client_environment(application), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process,
    ):
        until("the statement runs", lambda: server.execute(RUNNING, [application]).fetchone() == (1,))
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert b"canceling statement due to user request" in errors
        assert process.returncode == 1
    [statement] = recorded(stack, application)
    assert statement["error"].startswith("57014")


def test_200_connections_one_after_the_other(stack: Stack, postgres: Postgres, application: str) -> None:
    """Each is a session; nothing of them stays, neither here nor at the server."""
    for number in range(200):
        with through(stack, application) as connection:
            assert connection.execute("SELECT %s::int", [number]).fetchone() == (number,)
    until(
        "all are closed",
        lambda: [session["status"] for session in stack.api.sessions(application)] == ["closed"] * 200,
    )
    with postgres.direct() as server:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        until("the server has none", lambda: server.execute(count, [application]).fetchone() == (0,))


def test_connections_of_type_tcp_carry_any_bytes(stack: Stack, postgres: Postgres, application: str) -> None:
    """`tcp` knows no protocol: the client logs in by itself, and bytes are counted."""
    stack.connection("raw", {"HOST": "127.0.0.1", "PORT": str(postgres.port)}, kind="tcp")
    where = {"host": "127.0.0.1", "port": str(stack.forward("raw").port), "dbname": "shop"}
    with psycopg.connect(
        make_conninfo(**where, user="scram", password=postgres.passwords["scram"])
    ) as connection:
        row = connection.execute("SELECT repeat('x', 3000000)").fetchone()
        assert row == ("x" * 3_000_000,)
    [session] = stack.api.get("sessions", connection="raw")["items"]
    ended = stack.api.ended(session["id"])
    assert (ended["type"], ended["status"], ended["statements"]) == ("tcp", "closed", 0)
    assert ended["upstream_bytes"] > 3_000_000
    assert [event["type"] for event in stack.api.replay(session["id"])] == ["opened", "client", "ended"]
    assert stack.api.verify(session["id"])["ok"] is True
