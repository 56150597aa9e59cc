"""`penstock demo`: from nothing to a replayed query, and then nothing runs any more."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

QUERY = "FROM orders AS o JOIN people AS p"

_SECONDS = 180


def listens() -> dict[str, str]:
    """Free ports for a demo."""
    return {name: f"127.0.0.1:{free_port()}" for name in ("HTTP_LISTEN", "GRPC_LISTEN", "ADMIN_LISTEN")}


def demo(home: Path, variables: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo to its end."""
    return subprocess.run(
        [PENSTOCK, "demo", *options],
        env=environment(home, variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )


def survivors(home: Path) -> list[str]:
    """Processes that work in this home."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
        if any(str(home) in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user who is logged in elsewhere."""
    home = tmp_path_factory.mktemp("home")
    (home / "config.toml").write_text('api_url = "https://gateway.example.com:8009"\n', "utf-8")
    (home / "token").write_text("the user's own token\n", "utf-8")
    return home


@pytest.fixture(autouse=True)
def nothing_stays(home: Path) -> Iterator[None]:
    """After each test no process of the demo's runs, and the user's own login is as it was."""
    yield
    assert survivors(home) == []
    assert {file.name for file in home.iterdir()} <= {"config.toml", "token", "demo"}
    assert (home / "token").read_text("utf-8") == "the user's own token\n"
    assert (home / "config.toml").read_text("utf-8") == 'api_url = "https://gateway.example.com:8009"\n'


def test_once_and_again(home: Path) -> None:
    """A first run makes everything, a second one uses it; both end with a recorded query."""
    sessions = set()
    for _ in range(2):
        done = demo(home, listens(), "--once")
        assert done.returncode == 0, done
        rows = re.search(r"a shop of ([\d,]+) rows", done.stdout)
        assert rows and int(rows[1].replace(",", "")) >= 100_000
        assert re.search(r"\(5 rows\)", done.stdout)
        recorded = re.search(r"That was session (\S+), recorded in\n  (\S+)\n", done.stdout)
        assert recorded and Path(recorded[2]).is_file()
        sessions.add(recorded[1])
        assert "The recording is whole" in as_shown(done.stdout, "sessions verify")
        assert QUERY in as_shown(done.stdout, "sessions replay")
    assert len(sessions) == 2


@contextmanager
def running(home: Path, variables: Mapping[str, str], logs: Path) -> Iterator[Process]:
    """A demo that stays, once it is all there."""
    with Processes(logs) as processes:
        process = processes.start("demo", [PENSTOCK, "demo"], environment(home, variables), signal.SIGINT)
        until("the demo stays", lambda: "Ctrl-C ends the demo" in process.out.read_text("utf-8"), _SECONDS)
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_until_it_is_told_to_end(home: Path, tmp_path: Path, number: int) -> None:
    """The lines that it shows work as they are; the signal goes to the front process alone."""
    with running(home, listens(), tmp_path) as process:
        told = process.out.read_text("utf-8")
        for command in ("exec", "sessions list", "sessions replay", "sessions verify"):
            assert as_shown(told, command)
        assert through(told, "SELECT 6 * 7") == "42\n"
        process.signal(number)
        assert process.wait(60) == 0


def line(told: str, command: str) -> str:
    """The line that the demo shows for a command."""
    found = re.search(rf"^  (\S.*{re.escape(command)}.*)$", told, re.MULTILINE)
    assert found, told
    return found[1]


def as_shown(told: str, command: str) -> str:
    """What a line that the demo shows prints when it is run as it is."""
    done = subprocess.run(
        line(told, command), shell=True, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def through(told: str, query: str) -> str:
    """What the shown psql prints while the shown `penstock connect` runs."""
    with subprocess.Popen(
        line(told, " connect "), shell=True, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as shell:
        try:
            assert shell.stdout and "until Ctrl-C" in shell.stdout.readline()
            command = f"{line(told, '/psql ')} -Atc {shlex.quote(query)}"
            done = subprocess.run(command, shell=True, check=True, capture_output=True, text=True, timeout=60)
            return done.stdout
        finally:
            os.killpg(shell.pid, signal.SIGINT)
            shell.wait(20)


@pytest.mark.parametrize("variable", ["HTTP_LISTEN", "GRPC_LISTEN", "ADMIN_LISTEN"])
def test_a_taken_port_is_a_clear_message(home: Path, variable: str) -> None:
    """Named with the variable that moves it, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = demo(home, {**listens(), variable: f"127.0.0.1:{port}"}, "--once")
    assert done.returncode == 1
    assert f"error: The demo cannot listen on 127.0.0.1:{port}: port {port} is taken." in done.stderr
    assert "hint: " in done.stderr and f"{variable}=127.0.0.1:" in done.stderr


def test_what_a_killed_demo_left_is_ended_by_the_next(home: Path, tmp_path: Path) -> None:
    """SIGKILL of the front process: its children are found and ended."""
    with running(home, listens(), tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert survivors(home) != []
    done = demo(home, listens(), "--once")
    assert done.returncode == 0, done
    assert "Ended what an earlier demo left running" in done.stdout


def test_one_at_a_time(home: Path, tmp_path: Path) -> None:
    """A second demo in the same home says that there is one."""
    with running(home, listens(), tmp_path) as process:
        done = demo(home, listens(), "--once")
        assert done.returncode == 1
        assert f"A demo is running already (process {process.pid})." in done.stderr
        assert process.stop() == 0
