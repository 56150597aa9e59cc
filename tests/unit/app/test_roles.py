"""The roles as processes: they start, say what they say, and stop when told."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from penstock.settings import names

PATIENCE = 60.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own and free ports."""
    inherited = {name: value for name, value in os.environ.items() if name not in names()}
    free = "127.0.0.1:0"
    own = {"PENSTOCK_HOME": str(tmp_path), "HTTP_LISTEN": free, "GRPC_LISTEN": free, "ADMIN_LISTEN": free}
    return {**inherited, **own}


def _command(role: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; from penstock.app import run_{role}; sys.exit(run_{role}())"]


@contextmanager
def _ready(role: str, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process, once its log says that it is ready, and that log so far."""
    pipe = subprocess.PIPE
    with subprocess.Popen(_command(role), env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        impatience = threading.Timer(PATIENCE, process.kill)
        impatience.start()
        try:
            yield process, _log_until_ready(process)
        finally:
            impatience.cancel()
            process.kill()


def _log_until_ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if json.loads(line)["message"] == "gateway ready":
            return lines
    raise AssertionError(f"it ended before it was ready: {lines}")


def _fails(role: str, environment: dict[str, str]) -> dict[str, str]:
    """The last line of its log, as console text or JSON."""
    done = subprocess.run(_command(role), env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1, done.stderr
    line: dict[str, str] = json.loads(done.stderr.splitlines()[-1])
    return line


def test_a_standalone_serves_has_its_agent_and_stops_in_order(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with _ready("standalone", environment) as (process, lines):
        assert process.stdout is not None
        assert process.stderr is not None
        socket = tmp_path / "run" / "api.sock"
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://penstock"
        ) as client:
            assert client.get("/api/healthz").json() == {"status": "ok"}
        process.send_signal(signal.SIGTERM)
        out, err = process.stdout.read(), "".join(lines) + process.stderr.read()
        process.wait()
    assert process.returncode == 0, err
    assert "penstock setup --api-url https://localhost:" in out
    assert "--ca-pin sha256:" in out
    assert "pst_" not in err
    with sqlite3.connect(tmp_path / "penstock.db") as store:
        assert store.execute("SELECT name FROM agents").fetchall() == [("local",)]
    store.close()
    assert not socket.exists()


def test_a_home_belongs_to_one_gateway(environment: dict[str, str]) -> None:
    with _ready("gateway", environment):
        line = _fails("gateway", environment)
    assert (line["code"], "another gateway" in line["message"]) == ("conflict", True)
    assert line["hint"]


@pytest.mark.parametrize(
    ("role", "values", "message"),
    [
        ("gateway", {"POSTGRES_DB_URI": "postgres://u:hush@h/d"}, "POSTGRES_DB_URI"),
        ("gateway", {"PENSTOCK_ADMIN_EMAIL": "a@b.example"}, "PENSTOCK_ADMIN_EMAIL"),
        ("agent", {}, "PENSTOCK_KEY is not set"),
        ("agent", {"PENSTOCK_KEY": "hush"}, "PENSTOCK_KEY is not an agent's key"),
    ],
)
def test_what_keeps_it_from_starting_is_the_last_line(
    role: str, values: dict[str, str], message: str, environment: dict[str, str]
) -> None:
    line = _fails(role, {**environment, **values})
    assert message in line["message"]
    assert line["level"] == "ERROR"
    assert line["hint"]
    assert "hush" not in json.dumps(line)
