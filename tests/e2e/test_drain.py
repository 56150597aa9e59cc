"""Told to stop: nothing new, what runs may finish, and whoever dialled goes elsewhere meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.clients import client_environment, connect, program, target
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.pair import paired
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.waiting import until


def test_links_move_to_another_gateway_while_sessions_stay(
    root: Path, peers: Peers, postgres: Postgres, application: str
) -> None:
    """The balancer leads whatever is new to the second; the first ends when its last session has."""
    with paired(root / application, peers, postgres.env()) as pair:
        forward = pair.cli.connect("db")
        with connect(forward.port, application) as old:
            assert old.execute("SELECT 1").fetchone() == (1,)
            pair.first.process.signal(signal.SIGTERM)
            until("the agent is at the second", lambda: pair.has_agent(pair.second))
            with connect(forward.port, f"{application}-new") as new:
                assert new.execute("SELECT 2").fetchone() == (2,)
                assert old.execute("SELECT 3").fetchone() == (3,)
                live = [len(each.admin("stats").json()["sessions"]) for each in (pair.first, pair.second)]
                assert live == [1, 1]
                assert pair.first.process.running, "its session is open"
        assert pair.first.process.wait() == 0
        assert pair.agent.running and forward.process.running


def test_a_session_that_does_not_end_is_told_why(mortal: Stack, application: str) -> None:
    """After DRAIN_SECONDS: PostgreSQL's own code, our reason, and a recording that is whole."""
    port, gateway = mortal.forward("db").port, mortal.gateway
    psql = [
        str(program("psql")),
        *target(port),
        "-d",
        "any",
        "-XAtc",
        "SELECT pg_sleep(600)",
        "--set=VERBOSITY=verbose",
    ]
    exec_ = [PENSTOCK, "exec", "db", "-i", "SELECT pg_sleep(600)"]
    waiting = [
        mortal.processes.start("psql", psql, client_environment(application)),
        mortal.processes.start("exec", exec_, environment(mortal.cli.home)),
    ]

    def both_have_asked() -> bool:
        sessions = gateway.admin("stats").json()["sessions"].values()
        return [session["statements"] for session in sessions] == [1, 1]

    until("both have asked", both_have_asked)
    session = mortal.api.session(application)["id"]
    gateway.process.signal(signal.SIGTERM)
    assert [process.wait(60) for process in waiting] == [2, 1]
    told = [process.log.read_text("utf-8") for process in waiting]
    assert "FATAL:  57P01: terminating connection: the gateway is shutting down" in told[0]
    assert "the gateway is shutting down" in told[1]
    assert gateway.process.wait() == 0
    mortal.mend()
    ended = mortal.api.get(f"sessions/{session}")
    assert ended["status"] == "closed" and "shutting down" in ended["reason"], ended
    verdict = mortal.api.verify(session)
    assert verdict["ok"] is True and verdict["ended"] is True


def test_a_second_signal_ends_the_gateway_at_once(own_stack: Callable[..., Stack], application: str) -> None:
    """Whoever insists is heard; the recording is found as after a crash."""
    stack = own_stack(DRAIN_SECONDS="600")
    with connect(stack.forward("db").port, application) as idle:
        idle.execute("SELECT 1")
        stack.gateway.process.signal(signal.SIGTERM)
        until("it is not ready", lambda: stack.gateway.admin("ready").status_code == 503)
        stack.gateway.process.signal(signal.SIGTERM)
        assert stack.gateway.process.wait() == 130


def test_an_agent_lets_its_sessions_finish(mortal: Stack, application: str) -> None:
    """It is offline for what is new, and ends with the last session."""
    assert mortal.agents[AGENT].stop() == 0
    agent = mortal.start_agent(AGENT, {"DRAIN_SECONDS": "300"})
    mortal.wait_for_agent("online")
    with connect(mortal.forward("db").port, application) as connection:
        connection.execute("SELECT 1")
        agent.signal(signal.SIGTERM)
        mortal.wait_for_agent("offline")
        with pytest.raises(psycopg.OperationalError, match="offline"):
            connect(mortal.forward("db").port, f"{application}-late")
        assert connection.execute("SELECT 2").fetchone() == (2,)
        assert agent.running
    assert agent.wait() == 0
    mortal.mend()


def test_connect_lets_its_sessions_finish(stack: Stack, application: str) -> None:
    """On SIGTERM; its port is closed at once."""
    forward = Cli(stack.cli.home, stack.processes, {"DRAIN_SECONDS": "300"}).connect("db")
    with connect(forward.port, application) as connection:
        connection.execute("SELECT 1")
        forward.process.signal(signal.SIGTERM)
        until("it says so", lambda: [told for told in forward.notices() if told.get("level") == "notice"])
        with pytest.raises(psycopg.OperationalError):
            connect(forward.port, f"{application}-late")
        assert connection.execute("SELECT 2").fetchone() == (2,)
        assert forward.process.running
    assert forward.process.wait() == 0


def test_ctrl_c_ends_connect_and_its_sessions(stack: Stack, application: str) -> None:
    """A person who presses it does not want to wait."""
    forward = stack.cli.connect("db")
    with connect(forward.port, application) as connection:
        connection.execute("SELECT 1")
        forward.process.signal(signal.SIGINT)
        assert forward.process.wait() == 0
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 2")
