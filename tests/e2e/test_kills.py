"""SIGKILL of gateway and agent at random moments, in bursts too: nothing that was relayed is missing.

`PENSTOCK_KILLS` says how many (20, and a fifth as many more at level `fsync`), `PENSTOCK_SEED` which moments;
`make kills` makes it 200.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.stack.clients import client_environment, program, run, target
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import AGENT, Stack, running
from tests.e2e.stack.writers import TABLE, Writer, left_by

KILLS = int(os.environ.get("PENSTOCK_KILLS", "20"))
SEED = int(os.environ.get("PENSTOCK_SEED", "2026"))
BURST = 25


@pytest.fixture(scope="module")
def prepared(_mortal: Stack, postgres: Postgres) -> None:
    """What pgbench and the writers need."""
    _mortal.mend()
    port = _mortal.forward("db").port
    assert run([program("pgbench"), *target(port), "-i", "-q", "x"], "prepare").code == 0
    with postgres.direct("scram") as server:
        server.execute(TABLE)


@contextmanager
def pgbench(port: int, application: str) -> Iterator[subprocess.Popen[bytes]]:
    """pgbench for as long as it lasts."""
    command = [str(program("pgbench")), *target(port), "-n", "-c", "4", "-T", "600", "-M", "extended", "x"]
    environment = client_environment(application)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def kill(stack: Stack, victim: str) -> None:
    """As the out-of-memory killer does it."""
    (stack.gateway.process if victim == "gateway" else stack.agents[AGENT]).kill()


def check(stack: Stack, session: dict[str, Any], status: str) -> list[dict[str, Any]]:
    """The statements of a session that was cut: its recording is whole as far as it goes."""
    ended = stack.api.ended(session["id"])
    assert ended["status"] == status, ended
    verdict = stack.api.verify(session["id"])
    assert (verdict["ok"], verdict["ended"]) == (True, status != "interrupted"), verdict
    statements = stack.api.statements(session["id"])
    assert ended["statements"] == len(statements)
    return statements


def check_writer(stack: Stack, postgres: Postgres, writer: Writer, status: str) -> None:
    """What reached the database is recorded, and so is every answer that the client got."""
    sessions = stack.api.sessions(writer.application)
    if not sessions:
        # Killed before the session had begun: then nothing of it was relayed either.
        assert (writer.answered, left_by(postgres, writer.application)) == ([], [])
        return
    [session] = sessions
    statements = check(stack, session, status)
    recorded = {statement["text"] for statement in statements}
    assert [text for text in left_by(postgres, writer.application) if text not in recorded] == []
    answered = {s["text"] for s in statements if s["rows"] == 1 and s["error"] is None}
    assert [text for text in writer.answered if text not in answered] == []


@pytest.fixture(scope="module")
def durable(root: Path, postgres: Postgres) -> Iterator[Stack]:
    """A stack whose recordings are on the disk before anything goes onward."""
    with running(root / "durable", {"RECORDING_LEVEL": "fsync"}) as stack:
        stack.connection("db", postgres.env())
        yield stack


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("number", range(KILLS))
def test_nothing_that_was_relayed_is_missing(mortal: Stack, postgres: Postgres, number: int) -> None:
    """Agent and users come back."""
    kill_at_work(mortal, postgres, f"kill-{SEED}-{number}")


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("number", range(KILLS // 5))
def test_nor_is_it_at_level_fsync(durable: Stack, postgres: Postgres, number: int) -> None:
    """A burst waits for the disk, and others with it."""
    durable.mend()
    kill_at_work(durable, postgres, f"durable-{SEED}-{number}")


def kill_at_work(stack: Stack, postgres: Postgres, name: str) -> None:
    """While single statements, bursts and pgbench are under way; `name` says at which moment."""
    chance, port = random.Random(name), stack.forward("db").port
    victim, status = chance.choice([("gateway", "interrupted"), ("agent", "failed")])
    writers = [
        Writer(port, f"{name}-single"),
        Writer(port, f"{name}-burst", BURST),
        Writer(port, f"{name}-late"),
    ]
    with pgbench(port, f"{name}-bench") as bench:
        for writer in writers[:2]:
            writer.start()
        chance.choice(writers[:2]).wait_for(chance.randint(1, 200))
        # Its session may begin just then.
        writers[2].start()
        kill(stack, victim)
        for writer in writers:
            writer.join(60)
            assert isinstance(writer.fault, psycopg.OperationalError), writer.fault
        assert bench.wait(60) != 0
    stack.mend()
    for writer in writers:
        check_writer(stack, postgres, writer, status)
    for session in stack.api.sessions(f"{name}-bench"):
        if stack.api.ended(session["id"])["status"] != "closed":
            check(stack, session, status)
