"""No more files to open: what is open lives on, nothing spins, and with some again all is as before."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.http2 import dial
from tests.e2e.stack.limits import no_more_files
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.strangers import stranger
from tests.e2e.stack.waiting import until

START = struct.pack(">ii", 16, 196608) + b"user\0x\0\0"
PAUSE_SECONDS = 0.1
"""Between two attempts to accept, where the first found no file to open."""


@pytest.fixture
def admin(mortal: Stack) -> Iterator[httpx.Client]:
    """A connection to the gateway's admin port that is open already."""
    url = f"http://127.0.0.1:{mortal.gateway.admin_port}"
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        client.get("/live").raise_for_status()
        yield client


def accept_errors(admin: httpx.Client, port: str) -> int:
    """How many there were."""
    name = f'penstock_accept_errors_total{{port="{port}"}} '
    found = (line for line in admin.get("/metrics").text.splitlines() if line.startswith(name))
    return int(next(found, f"{name}0").removeprefix(name))


def serves(stack: Stack, application: str) -> bool:
    """Whether a session can be had, and the API answers on a connection of its own."""
    done = psql(stack.forward("db").port, application, "-Atc", "SELECT 5")
    with contextlib.suppress(httpx.TransportError), stack.gateway.api(stack.api.token) as api:
        return done.out == "5\n" and api.http.get("connections").is_success
    return False


@pytest.mark.parametrize(("name", "port"), [("http", "http_port"), ("grpc", "grpc_port")])
def test_a_gateway_without_files(
    mortal: Stack, admin: httpx.Client, application: str, name: str, port: str
) -> None:
    """Its ports pause between attempts, which is counted; the running session does not notice."""
    with connect(mortal.forward("db").port, application) as session, ExitStack() as exits:
        with no_more_files(mortal.gateway.process):
            begun, before = time.monotonic(), accept_errors(admin, name)
            exits.enter_context(stranger(getattr(mortal.gateway, port), b""))
            until("it finds none", lambda: accept_errors(admin, name) > before)
            for number in range(20):
                assert session.execute("SELECT %s::int", [number]).fetchone() == (number,)
            errors = accept_errors(admin, name) - before
            assert errors <= (time.monotonic() - begun) / PAUSE_SECONDS + 1, "it spins"
        until("all is as before", lambda: serves(mortal, f"{application}-after"), 60)
        assert session.execute("SELECT 1").fetchone() == (1,)
    assert mortal.api.ended(mortal.api.session(application)["id"])["status"] == "closed"


def test_an_agent_without_files(mortal: Stack, application: str) -> None:
    """A new session is refused with the reason; the running one goes on; then all is as before."""
    forward = mortal.forward("db")
    with connect(forward.port, application) as session:
        with no_more_files(mortal.agents[AGENT]):
            refused = psql(forward.port, f"{application}-late", "-c", "SELECT 1")
            assert refused.code == 2 and "Too many open files" in refused.err, refused
            assert session.execute("SELECT 1").fetchone() == (1,)
        until("all is as before", lambda: serves(mortal, f"{application}-after"), 60)
        assert session.execute("SELECT 2").fetchone() == (2,)


def test_a_client_without_files(mortal: Stack, application: str) -> None:
    """It says why callers wait, and serves them as soon as there are some; what runs goes on."""
    forward = mortal.forward("db")
    with connect(forward.port, application) as session, ExitStack() as exits:
        with no_more_files(forward.process):
            late = exits.enter_context(dial(forward.port))
            late.sendall(START)
            until("it says so", lambda: any("Too many open files" in n["message"] for n in forward.notices()))
            assert session.execute("SELECT 1").fetchone() == (1,)
        # AuthenticationOk.
        assert late.recv(1) == b"R"
        assert session.execute("SELECT 2").fetchone() == (2,)
    assert forward.process.running
