"""The walk of somebody new: log in, set up, query, look back. The JSON keys are what scripts rely on."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack.clients import psql
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import AGENT, Stack

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_time(stamp: str) -> bool:
    """True for RFC 3339 in UTC."""
    return stamp.endswith(("Z", "+00:00")) and datetime.fromisoformat(stamp).year >= 2024


def test_login_keeps_what_later_commands_need_and_nobody_else_may_read(stack: Stack) -> None:
    """`login` left the addresses, the CA's pin and a token, all 0600."""
    config = (stack.cli.home / "config.toml").read_text("utf-8")
    assert f'api_url = "{stack.gateway.url}"' in config
    assert re.search(rf'grpc_url = "grpcs://[^"]+:{stack.gateway.grpc_port}"', config)
    assert re.search(r'ca_pin = "sha256:[0-9a-f]{64}"', config)
    for file in ("config.toml", "token"):
        assert (stack.cli.home / file).stat().st_mode & 0o777 == 0o600
    status = stack.cli.json("status")
    assert status["user"]["email"] == ADMIN
    assert status["agents"]["online"] >= 1


def test_admin_creates_what_scripts_need(stack: Stack, postgres: Postgres) -> None:
    """`admin create agent|connection|user|group -o json`, and `get` and `delete` of the same."""
    created = stack.cli.json("admin", "create", "agent", "branch")
    assert created["name"] == "branch"
    key = re.fullmatch(r"grpcs://branch:([^@:]+)@([^?]+)\?ca=(sha256:[0-9a-f]{64})", created["key"])
    assert key and key[2] == f"localhost:{stack.gateway.grpc_port}"
    assert "key" not in stack.cli.json("admin", "get", "agent", "branch")

    settings = [part for pair in postgres.env().items() for part in ("-e", "=".join(pair))]
    stack.cli.json("admin", "create", "group", "readers")
    which = ("connection", "made", "--type", "postgres", "--agent", AGENT, "--group", "readers")
    connection = stack.cli.json("admin", "create", *which, *settings)
    assert connection["env"]["HOST"] == "127.0.0.1"
    assert connection["env"]["PASS"] == "***"
    assert connection["groups"] == ["readers"]
    assert stack.cli.ok("exec", "made", "-i", "SELECT 7", "-o", "csv") == "?column?\n7\n"

    who = ("user", "ann@test.example", "--group", "readers", "--password-stdin")
    user = stack.cli.json("admin", "create", *who, stdin="ann's own password\n")
    assert user["email"] == "ann@test.example" and user["admin"] is False

    for kind, name in (
        ("connection", "made"),
        ("user", "ann@test.example"),
        ("agent", "branch"),
        ("group", "readers"),
    ):
        stack.cli.ok("admin", "delete", kind, name)
        assert stack.cli.run("admin", "get", kind, name, "-o", "json").problem["code"] == "not-found"


def test_exec_writes_a_table_for_people(stack: Stack) -> None:
    """Aligned columns, as psql does it."""
    out = stack.cli.ok(
        "exec", "db", "-i", "SELECT 1 AS n, 'ö' AS letter UNION ALL SELECT 22, NULL ORDER BY 1"
    )
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0].split("|") == [" n  ", " letter"]
    assert lines[2:4] == ["  1 | ö", " 22 |"]


def test_exec_writes_csv(stack: Stack) -> None:
    """RFC 4180, so that a reader gets back what was stored."""
    sql = """SELECT 'a,"b' || chr(10) || 'c' AS odd, NULL AS nothing, 3.50 AS price"""
    out = stack.cli.ok("exec", "db", "-i", sql, "-o", "csv")
    assert list(csv.DictReader(io.StringIO(out))) == [{"odd": 'a,"b\nc', "nothing": "", "price": "3.50"}]


def test_exec_writes_json_for_several_statements(stack: Stack) -> None:
    """One document per statement."""
    sql = "CREATE TEMP TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL); SELECT * FROM t"
    assert list(documents(stack.cli.ok("exec", "db", "-i", sql, "-o", "json"))) == [
        {"command": "CREATE TABLE", "rows": None},
        {"command": "INSERT 0 2", "rows": 2},
        [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    ]


def documents(text: str) -> Iterator[Any]:
    """JSON documents that follow each other."""
    while text := text.lstrip():
        document, end = json.JSONDecoder().raw_decode(text)
        yield document
        text = text[end:]


def test_exec_reads_files_and_stdin(stack: Stack, tmp_path: Path) -> None:
    """-f FILE, -f -, and stdin alone."""
    file = tmp_path / "query.sql"
    file.write_text("SELECT 'from a file' AS source", "utf-8")
    assert "from a file" in stack.cli.ok("exec", "db", "-f", str(file))
    assert "from stdin" in stack.cli.ok("exec", "db", "-f", "-", stdin="SELECT 'from stdin'")
    assert "from stdin" in stack.cli.ok("exec", "db", stdin="SELECT 'from stdin'")


def test_exec_tells_a_failed_statement_by_its_exit_code(stack: Stack) -> None:
    """The server's error with its SQLSTATE, for people and for programs; usage errors are 2."""
    failed = stack.cli.run("exec", "db", "-i", "SELECT 1 / 0")
    assert failed.code == 1
    assert "division by zero (SQLSTATE 22012)" in failed.err
    problem = stack.cli.run("exec", "db", "-i", "SELECT * FROM nowhere", "-o", "json").problem
    assert (problem["sqlstate"], problem["side"], problem["position"]) == ("42P01", "upstream", 15)
    assert stack.cli.run("exec", "db", "-i", " ").code == 2


def test_a_failed_statement_undoes_those_before_it(stack: Stack, postgres: Postgres) -> None:
    """Several statements are one transaction."""
    sql = "CREATE TABLE undone (a int); SELECT 1 / 0"
    assert stack.cli.run("exec", "db", "-i", sql).code == 1
    with postgres.direct() as server:
        assert server.execute("SELECT to_regclass('undone')").fetchone() == (None,)


def test_psql_through_connect(stack: Stack, application: str) -> None:
    """No password, whatever user and database are named; the connection's own are used."""
    forward = stack.forward("db")
    assert forward.place["connection"] == "db"
    assert forward.place["host"] == "127.0.0.1"
    done = psql(forward.port, application, "-Atc", "SELECT current_user, current_database(), 6 * 7")
    assert (done.code, done.out, done.err) == (0, "scram|shop|42\n", "")


def test_connect_on_a_unix_socket_of_ones_own(stack: Stack, application: str) -> None:
    """--socket: 0600 in a 0700 folder, gone when the command ends."""
    forward = stack.cli.connect("db", "--socket")
    socket = Path(forward.place["socket"])
    assert (socket.stat().st_mode & 0o777, socket.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    done = psql(5432, application, "-Atc", "SELECT 'by socket'", host=str(socket.parent))
    assert done.out == "by socket\n"
    assert forward.process.stop() == 0
    assert not socket.parent.exists()


def test_a_session_in_json(stack: Stack, application: str) -> None:
    """`sessions list|get -o json`: the keys and values that scripts rely on."""
    psql(stack.forward("db").port, application, "-c", "SELECT 1", "-c", "SELECT 2")
    found = stack.api.session(application)
    stack.api.ended(found["id"])
    session = stack.cli.json("sessions", "get", found["id"])
    assert UUID.fullmatch(session["id"])
    assert session["connection"] == "db"
    assert session["type"] == "postgres"
    assert session["principal"] == ADMIN
    assert session["status"] == "closed"
    assert session["statements"] == 2
    assert is_time(session["started_at"]) and is_time(session["ended_at"])
    assert session["started_at"] <= session["ended_at"]
    assert session["client"]["user"] == "somebody"
    assert session["client"]["application"] == application
    assert session["client_bytes"] > 0 < session["upstream_bytes"]
    assert re.fullmatch("[0-9a-f]{64}", session["head"])
    listed = stack.cli.json("sessions", "list", "--connection", "db", "--status", "closed", "--limit", "200")
    assert next(item for item in listed if item["id"] == session["id"]) == session
    assert {item["status"] for item in listed} == {"closed"}
    assert len(stack.cli.json("sessions", "list", "--limit", "2")) == 2


def test_a_replay_in_json_lines(stack: Stack, application: str) -> None:
    """`sessions replay -o json`: one object per event, statements with text, rows and error."""
    script = "SELECT generate_series(1, 5);\nSELECT 1 / 0;\nUPDATE pg_temp.none SET a = 1;\nSELECT 'ende';\n"
    psql(stack.forward("db").port, application, stdin=script)
    session = stack.api.session(application)["id"]
    stack.api.ended(session)
    lines = stack.cli.ok("sessions", "replay", session, "-o", "json").splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["type"] for event in events] == ["opened", "client", *["statement"] * 4, "ended"]
    assert all(is_time(event["at"]) for event in events)
    statements = [event for event in events if event["type"] == "statement"]
    assert [event["id"] for event in statements] == [1, 2, 3, 4]
    assert [event["text"].strip(";") for event in statements] == [
        line.strip(";") for line in script.splitlines()
    ]
    assert [event["rows"] for event in statements] == [5, None, None, 1]
    assert [event["error"] and event["error"][:5] for event in statements] == [None, "22012", "42P01", None]
    assert events[0]["principal"] == ADMIN and events[0]["session"] == session
    assert events[-1]["status"] == "closed" and events[-1]["statements"] == 4


def test_a_replay_for_people(stack: Stack, application: str) -> None:
    """The statements and what became of them."""
    psql(stack.forward("db").port, application, "-c", "SELECT 'seen again'", "-c", "SELECT 1 / 0")
    session = stack.api.session(application)["id"]
    stack.api.ended(session)
    shown = stack.cli.ok("sessions", "replay", session)
    assert "SELECT 'seen again'" in shown
    assert "→ 1 row" in shown
    assert "→ 22012: division by zero" in shown


def test_verify_in_json(stack: Stack, application: str) -> None:
    """`sessions verify -o json` by the session's identifier and by its file."""
    psql(stack.forward("db").port, application, "-c", "SELECT 1")
    session = stack.api.ended(stack.api.session(application)["id"])
    verdict = stack.cli.json("sessions", "verify", session["id"])
    assert verdict == {"ok": True, "records": 5, "ended": True, "head": session["head"], "fault": None}
    [file] = (stack.gateway.home / "recordings").glob(f"*/*/*/{session['id']}.rec")
    assert file.stat().st_mode & 0o777 == 0o600
    offline = {**verdict, "session": session["id"]}
    assert stack.cli.json("sessions", "verify", str(file), "--head", session["head"]) == offline
    assert stack.cli.run("sessions", "verify", str(file), "--head", "0" * 64).code == 1


def test_recordings_are_proven_with_the_public_key_alone(stack: Stack, application: str) -> None:
    """One file, all of them, and what somebody did to them who can write everything but has not the key."""
    psql(stack.forward("db").port, application, "-c", "SELECT 1")
    session = stack.api.ended(stack.api.session(application)["id"])
    recordings = stack.gateway.home / "recordings"
    key = stack.gateway.home.parent / "recordings.pem"
    key.write_text(stack.cli.ok("sessions", "key"), "ascii")
    [file] = recordings.glob(f"*/*/*/{session['id']}.rec")
    proven = stack.cli.json("sessions", "verify", str(file), "--key", str(key))
    assert (proven["ok"], proven["sealed"], proven["head"]) == (True, True, session["head"])
    assert "there and whole" in stack.cli.ok("sessions", "verify", str(recordings), "--key", str(key))

    copy = stack.gateway.home.parent / "copied-recordings"
    shutil.copytree(recordings, copy)
    [copied] = copy.glob(f"*/*/*/{session['id']}.rec")
    copied.unlink()
    found = stack.cli.run("sessions", "verify", str(copy), "--key", str(key))
    assert found.code == 1 and f"{session['id']}: its recording was deleted" in found.err


def test_list_and_describe_show_what_one_may_use(stack: Stack, postgres: Postgres) -> None:
    """A user sees the connections of the own groups, and never a secret."""
    stack.api.post("groups", name="shopkeepers")
    stack.connection("till", postgres.env(), groups=("shopkeepers",))
    user = stack.user("bob@test.example", "shopkeepers")
    assert [connection["name"] for connection in user.json("list")] == ["till"]
    described = user.json("describe", "till")
    assert described["online"] is True
    assert postgres.passwords["scram"] not in json.dumps(described)
    assert user.run("describe", "db", "-o", "json").problem["code"] in ("not-found", "forbidden")
    assert user.ok("exec", "till", "-i", "SELECT 9", "-o", "csv") == "?column?\n9\n"
    assert {session["principal"] for session in user.json("sessions", "list")} == {"bob@test.example"}


def test_logout_revokes_the_token(stack: Stack) -> None:
    """What was logged out does not come back with the old token."""
    user = stack.user("carl@test.example")
    token = (user.home / "token").read_text("ascii").strip()
    user.ok("logout")
    assert not (user.home / "token").exists()
    with stack.gateway.api(token) as api:
        assert api.http.get("userinfo").status_code == 401
    assert user.run("list", "-o", "json").problem["code"] == "unauthenticated"


@pytest.mark.parametrize("command", [["--help"], ["exec", "--help"], ["version"]])
def test_the_command_explains_itself(command: list[str], tmp_path: Path) -> None:
    """Without a gateway or a login."""
    done = subprocess.run([PENSTOCK, *command], env=environment(tmp_path), capture_output=True, check=True)
    assert b"penstock" in done.stdout
