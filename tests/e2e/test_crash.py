"""SIGKILL of the gateway under load: what a client was answered is recorded; and what verify finds out."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.stack.clients import client_environment, connect, program, psql, run, target
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until


class Talker(threading.Thread):
    """Asks one question after the other, and notes those that were answered."""

    def __init__(self, port: int, application: str) -> None:
        super().__init__(name=application, daemon=True)
        self.application = application
        self.answered: list[str] = []
        self.fault: Exception | None = None
        self._port = port

    def wait_for(self, answers: int) -> None:
        """Until it got so many."""
        until(f"{answers} answers", lambda: len(self.answered) >= answers, 60)

    def run(self) -> None:
        """Until the connection breaks."""
        try:
            with connect(self._port, self.application) as connection:
                while True:
                    text = f"SELECT '{self.application}-{len(self.answered)}'"
                    connection.execute(text.encode()).fetchall()
                    self.answered.append(text)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.fault = error


@contextmanager
def pgbench(port: int, application: str) -> Iterator[subprocess.Popen[bytes]]:
    """pgbench for as long as it lasts."""
    command = [str(program("pgbench")), *target(port), "-n", "-c", "4", "-T", "60", "-M", "extended", "x"]
    environment = client_environment(application)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def check_interrupted(stack: Stack, session: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a session that was cut: its recording is whole as far as it goes."""
    assert session["status"] == "interrupted", session
    assert session["ended_at"] >= session["started_at"]
    verdict = stack.api.verify(session["id"])
    assert (verdict["ok"], verdict["ended"]) == (True, False), verdict
    statements = stack.api.statements(session["id"])
    assert session["statements"] == len(statements)
    return statements


def check_answers(stack: Stack, talker: Talker, sessions: list[dict[str, Any]]) -> None:
    """What the talker was answered is in its session's recording, and at most one answer more."""
    for session in sessions:
        statements = check_interrupted(stack, session)
        answered = [s["text"] for s in statements if s["rows"] == 1 and s["error"] is None]
        assert answered[: len(talker.answered)] == talker.answered
        assert len(answered) <= len(talker.answered) + 1


def test_every_answer_that_a_client_got_is_recorded(mortal: Stack) -> None:
    """Killed at random moments, with pgbench and other clients at work; agent and users come back."""
    stack = mortal
    port = stack.forward("db").port
    assert run([program("pgbench"), *target(port), "-i", "-q", "x"], "prepare").code == 0
    for round_number in range(3):
        talkers = [Talker(port, f"talker-{round_number}-{number}") for number in range(3)]
        with pgbench(port, f"bench-{round_number}") as bench:
            for talker in talkers:
                talker.start()
            talkers[0].wait_for(random.randint(5, 300))
            stack.gateway.process.kill()
            for talker in talkers:
                talker.join(20)
                assert isinstance(talker.fault, psycopg.OperationalError), talker.fault
            assert bench.wait(20) != 0
        stack.gateway.start()
        stack.wait_for_agent("online")
        for talker in talkers:
            sessions = stack.api.sessions(talker.application)
            assert len(sessions) == 1 or not (sessions or talker.answered)
            check_answers(stack, talker, sessions)
        for session in stack.api.sessions(f"bench-{round_number}"):
            if session["status"] != "closed":
                check_interrupted(stack, session)
        assert stack.cli.ok("exec", "db", "-i", "SELECT 'back'", "-o", "csv") == "?column?\nback\n"


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


class Recording:
    """A recording as its format is described in docs/reference/recording-format.md."""

    def __init__(self, file: Path) -> None:
        self.file = file
        data = file.read_bytes()
        self.header, self.records = data[:12], []
        at = 12
        while at < len(data):
            [length] = struct.unpack_from("<I", data, at)
            self.records.append(data[at : at + 20 + length + 32])
            at += 20 + length + 32

    def write(self, records: list[bytes]) -> None:
        """Replaces the file's records."""
        self.file.write_bytes(self.header + b"".join(records))


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
    recording.write(tamper(recording.records))
    for subject in ([session["id"]], [str(file), "--head", session["head"]]):
        refused = stack.cli.run("sessions", "verify", *subject, "-o", "json")
        assert refused.code == 1
        assert refused.json["ok"] is False
        assert refused.json["fault"]["record"] == record, refused.json
        assert f"record {record}" in refused.problem["detail"] and refused.problem["hint"]
    shutil.copy(tmp_path / "whole.rec", file)
    assert stack.api.verify(session["id"])["ok"] is True
