"""exec against a real PostgreSQL, through a socket as the engine gives it."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from penstock.cli.errors import Refusal
from penstock.cli.sql.json import distinct
from penstock.demo.postgres import Postgres

from tests.unit.cli.conftest import Result, Shell

CONNECTION = {
    "name": "db",
    "type": "postgres",
    "agent": "office",
    "online": True,
    "env": {"USER": "shop", "DB": "shop"},
}


@pytest.fixture
def database(signed_in: Shell, postgres: Postgres) -> Shell:
    """A command line whose connection `db` is a real database."""
    signed_in.gateway.answers["GET /connections/db"] = CONNECTION
    signed_in.tunnel.socket = postgres.socket / ".s.PGSQL.5432"
    return signed_in


def run(shell: Shell, sql: str, output: str = "json", code: int = 0) -> Result:
    result = shell("exec", "db", "-i", sql, "-o", output)
    assert result.code == code, result.err
    return result


def documents(text: str) -> list[Any]:
    """All JSON documents in a row."""
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(text.rstrip()):
        value, place = decoder.raw_decode(text, place)
        found.append(value)
        place += len(text[place:]) - len(text[place:].lstrip())
    return found


def test_a_single_result_is_one_array_of_objects(database: Shell) -> None:
    result = run(database, "SELECT id, email FROM people ORDER BY id LIMIT 2")
    assert result.json == [
        {"id": 1, "email": "bela.albrecht1@example.net"},
        {"id": 2, "email": "chiara.albrecht2@example.org"},
    ]


def test_several_statements_are_several_documents(database: Shell) -> None:
    sql = "CREATE TEMP TABLE t (i int); INSERT INTO t VALUES (1), (2); SELECT * FROM t; SELECT 1 WHERE false"
    assert documents(run(database, sql).out) == [
        {"command": "CREATE TABLE", "rows": None},
        {"command": "INSERT 0 2", "rows": 2},
        [{"i": 1}, {"i": 2}],
        [],
    ]


def test_json_values_are_those_of_to_json(database: Shell) -> None:
    sql = """SELECT true AS b, NULL AS n, 9223372036854775807 AS big, 0.10::numeric AS exact,
             'NaN'::float8 AS nan,
             '{"a": [1]}'::jsonb AS j, E'q"\\n' AS t, DATE '2026-01-31' AS d,
             ARRAY[1,2] AS a, 'Ł' AS u, 1, 2"""
    result = run(database, sql)
    assert '"exact": 0.10' in result.out
    assert result.json == [
        {
            "b": True,
            "n": None,
            "big": 9223372036854775807,
            "exact": 0.1,
            "nan": "NaN",
            "j": {"a": [1]},
            "t": 'q"\n',
            "d": "2026-01-31",
            "a": "{1,2}",
            "u": "Ł",
            "?column?": 1,
            "?column?_2": 2,
        }
    ]


def test_names_are_made_distinct() -> None:
    assert distinct(["a", "a", "a_2", "a", "b"]) == ["a", "a_3", "a_2", "a_4", "b"]


def test_csv_is_csv(database: Shell) -> None:
    result = run(
        database, "SELECT 'a,\"b\"' AS x, E'two\\nlines' AS y, NULL AS z; CREATE TEMP TABLE t ()", "csv"
    )
    assert list(csv.reader(io.StringIO(result.out))) == [["x", "y", "z"], ['a,"b"', "two\nlines", ""]]
    assert "CREATE" not in result.out


def test_a_table_is_aligned_and_harmless(database: Shell) -> None:
    result = run(database, "SELECT 1 AS id, E'a\\nb\\x1b[31m' AS name UNION ALL SELECT 20, 'x'", "table")
    assert result.out.splitlines() == [
        " id |     name",
        "----+--------------",
        "  1 | a\\nb\\x1b[31m",
        " 20 | x",
        "(2 rows)",
        "",
    ]


def test_a_table_streams_rows_wider_than_its_sample(database: Shell) -> None:
    result = run(
        database,
        "SELECT CASE WHEN n = 900 THEN repeat('w', 40) ELSE 'x' END AS c FROM generate_series(1, 1000) AS n",
        "table",
    )
    lines = result.out.splitlines()
    assert lines[1] == "---"
    assert lines[901] == " " + "w" * 40
    assert lines[-2] == "(1000 rows)"


def test_tags_of_statements_without_rows(database: Shell) -> None:
    assert (
        run(database, "CREATE TEMP TABLE t (i int); INSERT INTO t VALUES (1), (2)", "table").out
        == "CREATE TABLE\nINSERT 0 2\n"
    )


def test_many_rows_come_whole(database: Shell) -> None:
    out = run(database, "SELECT * FROM orders ORDER BY id", "csv").out
    assert out.count("\n") == 150_001
    assert len(run(database, "SELECT id FROM orders").json) == 150_000


def test_a_failed_statement_is_exit_code_1_with_its_place(database: Shell) -> None:
    result = run(database, "SELECT 1;\nSELECT * FROM\n  nope", "table", code=1)
    assert "(1 row)" in result.out
    assert result.err.splitlines()[:3] == [
        'error: relation "nope" does not exist (SQLSTATE 42P01)',
        "LINE 3:   nope",
        "          ^",
    ]


def test_a_failed_statement_as_json(database: Shell) -> None:
    result = run(database, "SELECT 1/0", code=1)
    problem = json.loads(result.err)
    assert (problem["sqlstate"], problem["side"], problem["code"]) == (
        "22012",
        "upstream",
        "statement-failed",
    )


def test_detail_and_hint_are_shown(database: Shell) -> None:
    sql = "DO $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = 'because', HINT = 'do that'; END $$"
    assert run(database, sql, "table", code=1).err.splitlines() == [
        "error: no (SQLSTATE P0001)",
        "because",
        "hint: do that",
    ]


def test_an_array_that_was_cut_is_no_json(database: Shell) -> None:
    result = run(database, "SELECT 1 / (2000 - n) FROM generate_series(1, 3000) AS n", code=1)
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(result.out)


def test_a_backend_that_dies_mid_way_is_an_error(database: Shell) -> None:
    result = run(database, "SELECT pg_terminate_backend(pg_backend_pid())", code=1)
    assert json.loads(result.err)["sqlstate"] == "57P01"


def test_notices_go_to_stderr(database: Shell) -> None:
    result = run(database, "DO $$ BEGIN RAISE WARNING E'careful \\x1b'; END $$", "table")
    assert result.err == "warning: careful \\x1b\n"
    assert result.out == "DO\n"


def test_copy_out_is_passed_on_as_it_is(database: Shell) -> None:
    sql = "COPY (SELECT n, NULL FROM generate_series(1, 3) AS n) TO STDOUT"
    assert run(database, sql, "csv").out == "1\t\\N\n2\t\\N\n3\t\\N\n"
    assert "1\t\\N\n" in run(database, sql, "table").out
    assert "not JSON" in run(database, sql, code=1).err


def test_copy_in_is_refused_with_a_way_out(database: Shell) -> None:
    result = run(database, "COPY people FROM STDIN", "table", code=1)
    assert "no input here" in result.err
    assert "penstock connect" in result.err


def test_sql_from_a_file_and_from_stdin(database: Shell, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("SELECT 'ł' AS c;\n")
    assert database("exec", "db", "-f", str(file), "-o", "json").json == [{"c": "ł"}]
    assert database("exec", "db", "-f", "-", "-o", "json", stdin="SELECT 2 AS c").json == [{"c": 2}]
    assert database("exec", "db", "-o", "json", stdin="SELECT 3 AS c").json == [{"c": 3}]


@pytest.mark.parametrize(
    "arguments",
    [["-i", ""], ["-i", " \n"], [], ["-i", "SELECT 1", "-f", "-"], ["-f", "/does/not/exist"], ["-i", "a\0b"]],
)
def test_nothing_to_run_is_a_usage_error(database: Shell, arguments: list[str]) -> None:
    assert database("exec", "db", *arguments).code == 2
    assert database.gateway.asked == []


def test_sql_that_is_no_text_is_a_usage_error(database: Shell, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_bytes(b"SELECT '\xff'")
    assert database("exec", "db", "-f", str(tmp_path / "q.sql")).code == 2


def test_other_types_are_refused(database: Shell) -> None:
    database.gateway.answers["GET /connections/db"] = {**CONNECTION, "type": "tcp"}
    result = database("exec", "db", "-i", "SELECT 1")
    assert result.code == 1
    assert "needs a connection of type postgres" in result.err
    assert "penstock connect db" in result.err


def test_unknown_connections_are_refused_before_anything_is_dialled(database: Shell) -> None:
    result = database("exec", "other", "-i", "SELECT 1")
    assert result.code == 1
    assert database.tunnel.forwards == []


def test_an_offline_agent_is_a_warning(database: Shell) -> None:
    database.gateway.answers["GET /connections/db"] = {**CONNECTION, "online": False}
    result = database("exec", "db", "-i", "SELECT 1 AS a", "-o", "json")
    assert result.code == 0
    assert "warning: agent office is offline" in result.err


def test_the_engines_reason_stands_for_a_broken_socket(database: Shell, tmp_path: Path) -> None:
    database.tunnel.socket = tmp_path / "nobody-listens"
    database.tunnel.waiting = [
        {
            "level": "error",
            "message": "no link of agent office is up",
            "hint": "start it",
            "code": "agent-offline",
            "side": "agent",
        }
    ]
    result = database("exec", "db", "-i", "SELECT 1", "-o", "json")
    assert result.code == 1
    problem = json.loads(result.err)
    assert (problem["detail"], problem["code"], problem["hint"]) == (
        "no link of agent office is up",
        "agent-offline",
        "start it",
    )


def test_a_refused_credential_is_told(database: Shell) -> None:
    database.tunnel.refusal = Refusal("the token is revoked", code="unauthenticated")
    result = database("exec", "db", "-i", "SELECT 1")
    assert (result.code, result.err) == (1, "error: the token is revoked\n")
    assert database.tunnel.closed


def test_the_socket_is_private_and_goes_away(database: Shell) -> None:
    run(database, "SELECT 1")
    ((name, listen),) = database.tunnel.forwards
    assert name == "db"
    folder = Path(listen.removeprefix("unix:")).parent
    assert not folder.exists()
    assert database.tunnel.closed


def test_the_users_libpq_settings_lead_nowhere_else(database: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOSTADDR": "192.0.2.1",
        "PGSERVICE": "nope",
        "PGSSLMODE": "require",
        "PGREQUIREAUTH": "scram-sha-256",
    }.items():
        monkeypatch.setenv(name, value)
    assert run(database, "SELECT 1 AS a").json == [{"a": 1}]


def test_ctrl_c_cancels_the_statement(postgres: Postgres) -> None:
    script = f"""
import sys
from pathlib import Path
from penstock.cli.signals import told_to_stop
from penstock.cli.sql.server import Server
with told_to_stop() as stop, Server(Path({str(postgres.socket)!r}), "shop", "shop", stop) as server:
    try:
        for result in server.results("DO $$ BEGIN RAISE NOTICE 'started'; PERFORM pg_sleep(600); END $$"):
            print("completed", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    command = [sys.executable, "-c", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "notice: started\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
        assert process.stderr.read() == ""
    assert process.returncode == 0
