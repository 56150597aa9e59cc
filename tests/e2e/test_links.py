"""Links: who may speak plainly, who is believed, who comes back."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.stack.certificates import Authority
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.logs import lines
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until

# TEST-NET-1 (RFC 5737): nobody is there, and nothing may be sent there.
BEYOND = "192.0.2.1"
WRONG_PIN = "sha256:" + "0" * 64


# Whom to believe


def test_an_agent_refuses_plaintext_beyond_this_machine(stack: Stack, tmp_path: Path) -> None:
    """The key would be readable on the way."""
    variables = {"PENSTOCK_KEY": f"grpc://someone:secret@{BEYOND}:8010"}
    agent = stack.processes.start("plain", [PENSTOCK, "start", "agent"], environment(tmp_path, variables))
    assert agent.wait() == 1
    told = agent.log.read_text("utf-8")
    assert BEYOND in told and "PENSTOCK_INSECURE" in told


def test_a_client_refuses_plaintext_beyond_this_machine(stack: Stack, tmp_path: Path) -> None:
    """Neither the password nor a token leaves in clear."""
    cli = Cli(tmp_path, stack.processes)
    url = f"http://{BEYOND}:8009"
    login = ("login", "--api-url", url, "--email", ADMIN, "--password-stdin", "-o", "json")
    problem = cli.run(*login, stdin="x\n").problem
    assert "not encrypted" in problem["detail"] and "--insecure" in problem["hint"]
    stack.cli.ok("status")
    config = (stack.cli.home / "config.toml").read_text("utf-8")
    token = (stack.cli.home / "token").read_text("utf-8")
    plain = config.replace(f"localhost:{stack.gateway.grpc_port}", f"{BEYOND}:8010").replace(
        "grpcs:", "grpc:"
    )
    assert plain != config
    (tmp_path / "config.toml").write_text(plain, "utf-8")
    (tmp_path / "token").write_text(token, "utf-8")
    problem = cli.run("connect", "db", "--port", "0", "-o", "json").problem
    assert BEYOND in problem["detail"] and problem["hint"], problem


def test_login_with_another_ca_pin(stack: Stack, tmp_path: Path) -> None:
    """Nothing was sent to a gateway that is not the one that was meant."""
    cli = Cli(tmp_path, stack.processes)
    login = ("login", "--api-url", stack.gateway.url, "--email", ADMIN, "--password-stdin", "-o", "json")
    problem = cli.run(*login, "--ca-pin", WRONG_PIN, stdin=f"{stack.gateway.password}\n").problem
    assert problem["code"] == "untrusted" and WRONG_PIN in problem["detail"]
    assert "between you and the gateway" in problem["hint"]
    assert not (tmp_path / "token").exists()


def test_a_client_whose_gateway_has_another_ca_now(stack: Stack, tmp_path: Path) -> None:
    """What was trusted at login is not what answers: nothing is sent, and both fingerprints are named."""
    other = tmp_path / "other.pem"
    other.write_text(Authority("Of an earlier gateway").pem, "ascii")
    config = (stack.cli.home / "config.toml").read_text("utf-8")
    pin = re.search(r'ca_pin = "(sha256:\w+)"', config)
    file = re.search(r'ca_file = "([^"]+)"', config)
    assert pin and file
    forged = config.replace(pin[1], WRONG_PIN).replace(file[1], str(other))
    (tmp_path / "config.toml").write_text(forged, "utf-8")
    (tmp_path / "token").write_bytes((stack.cli.home / "token").read_bytes())
    problem = Cli(tmp_path, stack.processes).run("connect", "db", "--port", "0", "-o", "json").problem
    assert problem["code"] == "untrusted", problem
    assert WRONG_PIN in problem["detail"] and pin[1] in problem["detail"]
    assert "penstock login" in problem["hint"]


def test_an_agent_whose_pin_is_not_the_gateways(stack: Stack, tmp_path: Path) -> None:
    """It says so, with what to do, and keeps trying: the right gateway may come back."""
    key = stack.api.post("agents", name="mispinned")["key"].partition("?ca=")[0] + f"?ca={WRONG_PIN}"
    variables = {"PENSTOCK_KEY": key}
    agent = stack.processes.start("mispinned", [PENSTOCK, "start", "agent"], environment(tmp_path, variables))
    told = until("it says why", lambda: [line for line in lines(agent.log) if "CA" in json.dumps(line)])
    assert "get a new agent key" in json.dumps(told), told
    assert agent.running
    assert stack.api.get("agents/mispinned")["status"] == "offline"
    agent.end()


# Who comes back


def test_a_stopped_agent_is_offline_in_bounded_time(stack: Stack) -> None:
    """Half-open: nothing is closed, nothing answers. Woken up, it is back."""
    name = "frozen"
    agent = stack.agent(name)
    agent.signal(signal.SIGSTOP)
    stack.wait_for_agent("offline", name, 30)
    agent.signal(signal.SIGCONT)
    stack.wait_for_agent("online", name, 60)
    assert agent.stop() == 0
    stack.wait_for_agent("offline", name)


def test_sessions_through_an_agent_that_froze(stack: Stack, postgres: Postgres, application: str) -> None:
    """They end with an error once it is taken for dead, and new ones are refused; those of others go on."""
    name = "freezing"
    agent = stack.agent(name)
    port = stack.forward(stack.connection("through-freezing", postgres.env(), agent=name)).port
    with (
        connect(port, application) as frozen,
        connect(stack.forward("db").port, f"{application}-other") as other,
        ThreadPoolExecutor() as pool,
    ):
        waiting = pool.submit(frozen.execute, "SELECT pg_sleep(20)")
        session = stack.api.session(application)["id"]
        until("it is asked", lambda: stack.api.statements(session))
        agent.signal(signal.SIGSTOP)
        late = pool.submit(psql, port, f"{application}-late", "-c", "SELECT 1")
        error = waiting.exception(60)
        assert isinstance(error, psycopg.OperationalError) and "the upstream was lost" in str(error), error
        assert other.execute("SELECT 1").fetchone() == (1,)
        refused = late.result(60)
        assert refused.code == 2 and f"agent {name} " in refused.err and "HINT" in refused.err
    ended = stack.api.ended(session)
    assert ended["status"] == "failed" and "the upstream was lost" in ended["reason"], ended
    agent.signal(signal.SIGCONT)
    stack.wait_for_agent("online", name, 60)
    assert psql(port, f"{application}-again", "-Atc", "SELECT 2").out == "2\n"
    assert agent.stop() == 0


def test_agents_clients_and_users_outlive_the_gateway(mortal: Stack, application: str) -> None:
    """Killed and started again: the agent redials, `connect` goes on, logins hold."""
    forward = mortal.forward("db")
    mortal.gateway.process.kill()
    with pytest.raises(psycopg.OperationalError):
        connect(forward.port, application)
    mortal.gateway.start()
    mortal.wait_for_agent("online")
    with connect(forward.port, application) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert forward.process.running
    assert mortal.cli.json("status")["user"]["email"] == ADMIN


def test_a_gateway_that_is_told_to_stop_drains(mortal: Stack, application: str) -> None:
    """SIGTERM: nothing new, what runs may finish in time, the rest is ended in order; exit code 0."""
    port = mortal.forward("db").port
    with (
        connect(port, f"{application}-short") as short,
        connect(port, f"{application}-long") as long,
    ):
        answers: list[Any] = []
        asked = threading.Thread(
            target=lambda: answers.append(short.execute("SELECT 'finished' FROM pg_sleep(1)").fetchone())
        )
        asked.start()
        until("it is asked", lambda: mortal.api.statements(mortal.api.session(f"{application}-short")["id"]))
        mortal.gateway.process.signal(signal.SIGTERM)
        asked.join(20)
        assert answers == [("finished",)]
        with pytest.raises(psycopg.OperationalError):
            list(long.notifies(timeout=20))
        assert mortal.gateway.process.wait() == 0
    mortal.mend()
    for name in ("short", "long"):
        session = mortal.api.session(f"{application}-{name}")
        assert session["status"] not in ("open", "interrupted"), session
        verdict = mortal.api.verify(session["id"])
        assert verdict["ok"] is True and verdict["ended"] is True


def test_a_stopped_gateway_leaves_its_ports_to_the_next(mortal: Stack) -> None:
    """Two at a time are refused by name, one after the other is fine."""
    variables = {
        "HTTP_LISTEN": f"127.0.0.1:{mortal.gateway.http_port}",
        "GRPC_LISTEN": f"127.0.0.1:{mortal.gateway.grpc_port}",
        "ADMIN_LISTEN": f"127.0.0.1:{mortal.gateway.admin_port}",
    }
    command = [PENSTOCK, "start", "gateway"]
    for home, words in (
        (mortal.gateway.home, "PENSTOCK_HOME"),
        (mortal.folder / "second", f"127.0.0.1:{mortal.gateway.http_port}"),
    ):
        second = mortal.processes.start("second", command, environment(home, variables))
        assert second.wait() == 1
        told = second.log.read_text("utf-8")
        assert words in told and "hint: " in told, told
    assert mortal.gateway.process.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", mortal.gateway.http_port)).close()
    assert not list(Path(f"/proc/{os.getpid()}/task").glob("*/nothing"))
    mortal.mend()
