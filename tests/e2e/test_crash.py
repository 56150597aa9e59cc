"""What a crash leaves of a statement that was running; and what verify finds out."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.e2e.stack.clients import psql
from tests.e2e.stack.recording import Recording
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until


def check_interrupted(stack: Stack, session: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a session that was cut: its recording is whole as far as it goes."""
    assert session["status"] == "interrupted", session
    assert session["ended_at"] >= session["started_at"]
    verdict = stack.api.verify(session["id"])
    assert (verdict["ok"], verdict["ended"]) == (True, False), verdict
    statements = stack.api.statements(session["id"])
    assert session["statements"] == len(statements)
    return statements


def test_a_statement_without_an_answer_is_recorded_without_one(mortal: Stack, application: str) -> None:
    """`rows` is null: it never completed, as far as anybody knows."""
    stack = mortal
    port = stack.forward("db").port
    threading.Thread(target=psql, args=(port, application, "-c", "SELECT pg_sleep(600)"), daemon=True).start()
    session = stack.api.session(application)
    until("the statement is recorded", lambda: stack.api.statements(session["id"]))
    stack.gateway.process.kill()
    stack.gateway.start()
    session = stack.api.get(f"sessions/{session['id']}")
    [statement] = check_interrupted(stack, session)
    assert (statement["text"], statement["rows"], statement["error"]) == ("SELECT pg_sleep(600)", None, None)
    listed = stack.cli.json("sessions", "list", "--status", "interrupted")
    assert listed[0]["id"] == session["id"]


Tamper = Callable[[list[bytes]], list[bytes]]


def changed(records: list[bytes]) -> list[bytes]:
    """The third statement was another one."""
    return [record.replace(b"SELECT 3", b"SELECT 4") for record in records]


def cut(records: list[bytes]) -> list[bytes]:
    """The file ends within a record."""
    return [*records[:6], records[6][:-5]]


def removed(records: list[bytes]) -> list[bytes]:
    """One record is gone."""
    return [*records[:4], *records[5:]]


def swapped(records: list[bytes]) -> list[bytes]:
    """Two records in the other order."""
    return [*records[:4], records[5], records[4], *records[6:]]


def repeated(records: list[bytes]) -> list[bytes]:
    """A record twice."""
    return [*records[:5], records[4], *records[5:]]


def appended(records: list[bytes]) -> list[bytes]:
    """Something behind the end."""
    return [*records, b"more"]


def beheaded(records: list[bytes]) -> list[bytes]:
    """The end record is gone; what is left is sound in itself."""
    return records[:-1]


@pytest.mark.parametrize(
    ("tamper", "record"),
    [(changed, 7), (cut, 7), (removed, 5), (swapped, 5), (repeated, 6), (appended, 12), (beheaded, 10)],
)
def test_verify_names_the_first_bad_record(
    stack: Stack, application: str, tamper: Tamper, record: int, tmp_path: Path
) -> None:
    """By the session's identifier and by its file; mended, it is whole again."""
    statements = [part for number in range(1, 5) for part in ("-c", f"SELECT {number}")]
    psql(stack.forward("db").port, application, *statements)
    session = stack.api.ended(stack.api.session(application)["id"])
    [file] = (stack.gateway.home / "recordings").glob(f"*/*/*/{session['id']}.rec")
    recording = Recording(file)
    assert len(recording.records) == 11
    shutil.copy(file, tmp_path / "whole.rec")
    recording.write_plain(tamper(recording.records))
    assert stack.api.verify(session["id"])["fault"]["record"] == record
    recording.write(tamper(recording.records))
    for subject in ([session["id"]], [str(file), "--head", session["head"]]):
        refused = stack.cli.run("sessions", "verify", *subject, "-o", "json")
        assert refused.code == 1
        assert refused.json["ok"] is False
        assert refused.json["fault"]["record"] == record, refused.json
        assert f"record {record}" in refused.problem["detail"] and refused.problem["hint"]
    shutil.copy(tmp_path / "whole.rec", file)
    assert stack.api.verify(session["id"])["ok"] is True


def last_byte_cut(frame: bytes) -> bytes:
    """Every record is there; the frame's checksum is not whole."""
    return frame[:-1]


def halved(frame: bytes) -> bytes:
    """The file ends within the frame."""
    return frame[: len(frame) // 2]


def flipped(frame: bytes) -> bytes:
    """A bit of the compressed bytes is another one."""
    at = len(frame) // 2
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]


def followed(frame: bytes) -> bytes:
    """A second frame, which other decoders take for more of the same."""
    return frame + zstandard.compress(b"more")


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (last_byte_cut, "is cut"),
        (halved, "is cut"),
        (flipped, "was changed"),
        (followed, "was changed: something follows"),
    ],
)
def test_verify_tells_what_was_done_to_the_compressed_file(
    stack: Stack, application: str, tamper: Callable[[bytes], bytes], what: str
) -> None:
    """By the session's identifier and by its file; a replay does not pass over it either."""
    psql(stack.forward("db").port, application, "-c", "SELECT 1")
    session = stack.api.ended(stack.api.session(application)["id"])
    [file] = (stack.gateway.home / "recordings").glob(f"*/*/*/{session['id']}.rec")
    frame = file.read_bytes()
    file.write_bytes(tamper(frame))
    for subject in ([session["id"]], [str(file), "--head", session["head"]]):
        refused = stack.cli.run("sessions", "verify", *subject, "-o", "json")
        assert refused.code == 1
        assert refused.json["ok"] is False
        assert refused.json["fault"]["what"].startswith(f"the compressed file {what}"), refused.json
    assert stack.cli.run("sessions", "replay", str(file)).code == 1
    file.write_bytes(frame)
    assert stack.api.verify(session["id"])["ok"] is True


def test_a_recording_that_was_kept_before_compression_is_read_as_ever(stack: Stack, application: str) -> None:
    """Replayed and verified, by the session's identifier and by its file; the seals hold."""
    psql(stack.forward("db").port, application, "-c", "SELECT 'kept plain'")
    session = stack.api.ended(stack.api.session(application)["id"])
    [file] = (stack.gateway.home / "recordings").glob(f"*/*/*/{session['id']}.rec")
    compressed = file.read_bytes()
    recording = Recording(file)
    recording.write_plain(recording.records)
    assert stack.api.verify(session["id"])["ok"] is True
    assert [s["text"] for s in stack.api.statements(session["id"])] == ["SELECT 'kept plain'"]
    key = stack.gateway.home.parent / "key.pem"
    key.write_text(stack.cli.ok("sessions", "key"), "ascii")
    proven = stack.cli.json("sessions", "verify", str(file), "--key", str(key))
    assert (proven["ok"], proven["sealed"]) == (True, True)
    file.write_bytes(compressed)
