"""Sessions: listed, shown, replayed, verified, ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from penstock.cli.sessions.replay import lines
from penstock.cli.sessions.show import duration, lasted

from tests.unit.cli.conftest import Shell, problem


def session(number: int, **changes: Any) -> dict[str, Any]:
    """A session as the API has it."""
    return {
        "id": f"s{number}",
        "connection": "db",
        "type": "postgres",
        "principal": "ann@example.com",
        "status": "closed",
        "reason": None,
        "started_at": "2026-01-01T10:00:00.000000Z",
        "ended_at": "2026-01-01T10:01:30.500000Z",
        "statements": 2,
        "client_bytes": 100,
        "upstream_bytes": 20480,
        "peer": "127.0.0.1:5",
        "client": {"user": "ann", "database": "shop", "application": "psql"},
        "head": "ab",
        **changes,
    }


EVENTS: list[dict[str, Any]] = [
    {"type": "opened", "at": "2026-01-01T10:00:00.000000Z", "session": "s1"},
    {
        "type": "client",
        "at": "2026-01-01T10:00:00.100000Z",
        "user": "ann",
        "database": "shop",
        "application": "",
    },
    {
        "type": "statement",
        "at": "2026-01-01T10:00:01.000000Z",
        "id": 1,
        "text": "SELECT\n  1\x1b]0;owned\x07",
        "rows": 1,
        "error": None,
        "bytes": 20,
        "duration_ms": 12.4,
    },
    {
        "type": "statement",
        "at": "2026-01-01T10:00:02.000000Z",
        "id": 2,
        "text": "SELECT nope",
        "rows": None,
        "error": '42703: column "nope" does not exist',
        "bytes": 11,
        "duration_ms": 1.0,
    },
    {
        "type": "statement",
        "at": "2026-01-01T10:00:03.000000Z",
        "id": 3,
        "text": "SELECT pg_sleep(99)",
        "rows": None,
        "error": None,
        "bytes": 2000000,
        "truncated": True,
        "duration_ms": None,
    },
    {"type": "cancel", "at": "2026-01-01T10:00:04.000000Z"},
    {"type": "notice", "at": "2026-01-01T10:00:05.000000Z", "text": "57P01: terminating connection"},
    {
        "type": "ended",
        "at": "2026-01-01T10:00:06.000000Z",
        "status": "killed",
        "reason": "by root@example.com",
    },
    {"type": "of-the-future", "at": "2027-01-01T00:00:00.000000Z"},
]


def test_list_follows_the_cursor_up_to_the_limit(signed_in: Shell) -> None:
    def page(request: httpx.Request) -> dict[str, Any]:
        start = int(request.url.params.get("before", "0"))
        assert request.url.params["status"] == "closed"
        return {"items": [session(number) for number in range(start, start + 2)], "next": str(start + 2)}

    signed_in.gateway.answers["GET /sessions"] = page
    result = signed_in("sessions", "list", "--status", "closed", "--limit", "5", "-o", "json")
    assert [item["id"] for item in result.json] == ["s0", "s1", "s2", "s3", "s4"]


def test_the_table_shows_who_what_and_how_long(signed_in: Shell) -> None:
    signed_in.gateway.answers["GET /sessions"] = {"items": [session(1)], "next": None}
    head, line = signed_in("sessions", "list").out.splitlines()
    assert head.split() == [
        "ID",
        "TYPE",
        "CONNECTION",
        "PRINCIPAL",
        "STATUS",
        "STARTED",
        "AT",
        "LASTED",
        "STATEMENTS",
    ]
    assert "1 min 30 s" in line


def test_a_tunnel_is_listed_by_where_it_leads(signed_in: Shell) -> None:
    passage = session(
        1, type="egress", connection=None, target="a.example:443", rule="build/a", verdict="cut"
    )

    def page(request: httpx.Request) -> dict[str, Any]:
        assert request.url.params["type"] == "egress"
        return {"items": [passage], "next": None}

    signed_in.gateway.answers["GET /sessions"] = page
    _, line = signed_in("sessions", "list", "--type", "egress").out.splitlines()
    assert line.split()[:3] == ["s1", "egress", "a.example:443"]
    signed_in.gateway.answers["GET /sessions/s1"] = passage
    out = signed_in("sessions", "get", "s1").out
    assert "build/a" in out and "connection" not in out


def test_get(signed_in: Shell) -> None:
    signed_in.gateway.answers["GET /sessions/s1"] = session(1)
    assert signed_in("sessions", "get", "s1", "-o", "json").json == session(1)
    out = signed_in("sessions", "get", "s1").out
    assert "user=ann database=shop application=psql" in out
    assert "20.0 KiB" in out


def replayed(shell: Shell, *options: str, **changes: Any) -> str:
    body = "\n".join(json.dumps(event) for event in EVENTS) + "\n"
    shell.gateway.answers |= {
        "GET /sessions/s1": session(1, **changes),
        "GET /sessions/s1/replay": httpx.Response(200, text=body),
    }
    result = shell("sessions", "replay", "s1", *options)
    assert (result.code, result.err) == (0, "")
    return result.out


def test_replay_as_json_lines_is_every_event_as_it_is(signed_in: Shell) -> None:
    assert [json.loads(line) for line in replayed(signed_in, "-o", "json").splitlines()] == EVENTS


def test_replay_for_people_is_whole_and_harmless(signed_in: Shell) -> None:
    out = replayed(signed_in)
    assert "\x1b" not in out
    assert "\x07" not in out
    for words in (
        "Session s1",
        "ann@example.com on db",
        "client: user ann, database shop",
        "    SELECT\n      1\\x1b]0;owned\\x07",
        "→ 1 row, 12 ms",
        '→ 42703: column "nope" does not exist, 1 ms',
        "→ never completed",
        "the first part of 2000000 bytes",
        "asked to cancel",
        "57P01",
        "killed: by root@example.com",
    ):
        assert words in out


def test_replay_of_a_live_session_says_that_it_is_live(signed_in: Shell) -> None:
    assert "still open" in replayed(signed_in, status="open", ended_at=None)


def test_a_completed_statement_without_a_count_is_done() -> None:
    event = {
        "type": "statement",
        "id": 1,
        "text": "SET x = 1",
        "rows": None,
        "error": None,
        "duration_ms": 0.4,
    }
    assert lines(event)[-1] == ("    → done, 0 ms", "green")


def test_replay_of_a_file_asks_no_gateway(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = {**EVENTS[0], "connection": "db", "principal": "ann@example.com"}
    recorded = [json.dumps(event) for event in (opened, *EVENTS[1:])]
    monkeypatch.setattr("penstock.cli.sessions.replay.read_file", lambda _path: iter(recorded))
    file = tmp_path / "s1.rec"
    file.touch()
    assert shell("sessions", "replay", str(file), "-o", "json").out.splitlines() == recorded
    out = shell("sessions", "replay", str(file)).out
    assert "Session s1" in out
    assert "ann@example.com on db, 2026-01-01" in out
    assert "killed: by root@example.com" in out


def test_replay_of_what_is_not_there(signed_in: Shell) -> None:
    assert signed_in("sessions", "replay", "s9").code == 1


def test_verify_a_whole_recording(signed_in: Shell) -> None:
    whole = {"ok": True, "records": 7, "ended": True, "head": "abcd", "fault": None}
    signed_in.gateway.answers["POST /sessions/s1/verify"] = whole
    assert signed_in("sessions", "verify", "s1", "-o", "json").json == whole
    assert "whole: 7 records, head abcd." in signed_in("sessions", "verify", "s1").out


def test_verify_names_the_first_bad_record(signed_in: Shell) -> None:
    fault = {"record": 4, "offset": 812, "what": "record 4 at byte 812 was changed"}
    broken = {"ok": False, "records": 4, "ended": False, "head": "abcd", "fault": fault}
    signed_in.gateway.answers["POST /sessions/s1/verify"] = broken
    result = signed_in("sessions", "verify", "s1")
    assert result.code == 1
    assert "not whole: record 4 at byte 812 was changed" in result.err
    result = signed_in("sessions", "verify", "s1", "-o", "json")
    assert (result.code, result.json) == (1, broken)
    assert json.loads(result.err)["fault"] == fault


def test_verify_a_file_asks_no_gateway(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "s1.rec"
    file.write_bytes(b"not a recording")
    asked: list[tuple[Path, str | None, Path | None]] = []

    def verify(path: Path, head: str | None, key: Path | None) -> dict[str, Any]:
        asked.append((path, head, key))
        return {"ok": True, "records": 1, "ended": False, "head": "ab", "fault": None}

    monkeypatch.setattr("penstock.cli.sessions.verify.verify_file", verify)
    result = shell("sessions", "verify", str(file), "--head", "ab")
    assert (result.code, asked) == (0, [(file, "ab", None)])
    assert "no end record" in result.out


def test_a_head_is_for_files_only(signed_in: Shell) -> None:
    assert signed_in("sessions", "verify", "s1", "--head", "ab").code == 2


def test_kill(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /sessions/s1/kill"] = httpx.Response(202)
    assert signed_in("sessions", "kill", "s1").out == "Session s1 is being ended.\n"
    signed_in.gateway.answers["POST /sessions/s2/kill"] = problem(409, "conflict", "the session is not open")
    assert signed_in("sessions", "kill", "s2").code == 1


def test_spans_of_time() -> None:
    assert [duration(seconds) for seconds in (0.0124, 3.14, 90.5, 7260)] == [
        "12 ms",
        "3.1 s",
        "1 min 30 s",
        "2 h 1 min",
    ]
    assert lasted(session(1, ended_at=None)) == "-"
    assert lasted(session(1, started_at="?")) == "-"
    assert lasted(session(1, ended_at=None, status="open")).endswith("min")


def test_a_folder_is_checked_with_the_key_alone(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "recordings.pem"
    public = Ed25519PrivateKey.generate().public_key()
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    folder = tmp_path / "recordings"
    folder.mkdir()
    assert shell("sessions", "verify", str(folder)).code == 2
    missing = shell("sessions", "verify", str(folder), "--key", str(key))
    assert missing.code == 1 and "has no ledger" in missing.err
    (folder / "ledger.jsonl").touch()
    assert "Every recording" in shell("sessions", "verify", str(folder), "--key", str(key)).out
    (folder / "added.rec").touch()
    added = shell("sessions", "verify", str(folder), "--key", str(key))
    assert added.code == 1 and "added: the ledger does not know this recording" in added.err
