"""Health as balancers and orchestrators ask for it: while all is well, without a store, and in a drain."""

from __future__ import annotations

import contextlib
import fcntl
import json
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.e2e.stack.clients import connect
from tests.e2e.stack.gateway import ADMIN, Gateway
from tests.e2e.stack.logs import lines
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.waiting import until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
CURL = ("curl", "-sS", "--insecure", "--noproxy", "*", "--max-time", "20")
VERSIONS = ("--http1.1", "--http2-prior-knowledge")


@pytest.fixture(scope="module")
def alone(root: Path) -> Iterator[Gateway]:
    """A gateway without anybody, that logs its routes and no more than INFO."""
    variables = {
        "GIN_MODE": "debug",
        "LOG_LEVEL": "INFO",
        "TUNNEL_LISTEN": f"127.0.0.1:{free_port()}",
        "LIMIT_HANDSHAKE_SECONDS": "1",
    }
    with Processes(root / "alone" / "logs") as processes:
        gateway = Gateway(root / "alone" / "gateway", processes, variables)
        gateway.start()
        yield gateway


def ask(url: str, *options: str) -> tuple[int, str]:
    """Status and body of an answer."""
    told = subprocess.run(
        [*CURL, "-w", "\n%{http_code}", *options, url], check=True, capture_output=True, text=True
    )
    body, _, status = told.stdout.rpartition("\n")
    return int(status), body


def every_answer(gateway: Gateway) -> dict[str, tuple[int, str]]:
    """What plain health checks of both ports are answered, in both versions of HTTP, with TLS and without."""
    found = {}
    paths = ((gateway.http_port, "/api/healthz"), (gateway.grpc_port, "/"), (gateway.grpc_port, "/healthz"))
    for port, path in paths:
        for scheme in ("http", "https"):
            for version in VERSIONS:
                url = f"{scheme}://127.0.0.1:{port}{path}"
                found[f"GET {url} {version}"] = ask(url, version)
                head = ask(url, version, "--head", "-o", "/dev/null")
                found[f"HEAD {url} {version}"] = head
    return found


def check(port: int) -> int:
    """What grpc.health.v1 says."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    return int(answer.status)


def test_all_is_well(alone: Gateway) -> None:
    for what, (status, body) in every_answer(alone).items():
        assert status == 200, what
        assert (body == "") == what.startswith("HEAD"), what
    assert [check(port) for port in (alone.http_port, alone.grpc_port)] == [SERVING, SERVING]
    url = f"http://127.0.0.1:{alone.http_port}/api/healthz"
    assert ask(url, "-X", "POST")[0] == 405


@contextlib.contextmanager
def hung(store: Path) -> Iterator[None]:
    """SQLite's readers wait for a lock that somebody else holds on the write-ahead log's index."""
    first, locks = 120, 8  # SQLite, walformat.html, section 2.3.1: aLock begins there
    with store.with_name(f"{store.name}-shm").open("r+b") as index:

        def lock() -> bool:
            try:
                fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, locks, first)
            except OSError:
                return False  # somebody reads at this moment
            return True

        until("the store is ours", lock)
        yield


def test_a_store_that_hangs(alone: Gateway) -> None:
    """The reason is told, after a bounded time and however many ask; the ports are well and say so."""
    url = f"http://127.0.0.1:{alone.http_port}/api/healthz"
    with hung(alone.home / "penstock.db"):
        for _ in range(3):
            status, body = ask(url)
            assert (status, json.loads(body)["status"]) == (503, "unavailable")
            assert json.loads(body)["reason"].startswith("the store does not answer")
        assert ask(url, "--head", "-o", "/dev/null")[0] == 503
        assert ask(f"http://127.0.0.1:{alone.grpc_port}/")[0] == 200
    until("the store is back", lambda: ask(url)[0] == 200)


def silent(port: int, *, tls: bool) -> None:
    """Connects, perhaps by TLS, and says nothing until it is hung up on."""
    with socket.create_connection(("127.0.0.1", port), 20) as tcp:
        if not tls:
            tcp.recv(1)
            return
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        # The tunnel port wants a certificate, and says so in an alert.
        with contextlib.suppress(ssl.SSLError, ConnectionError), context.wrap_socket(tcp) as sealed:
            sealed.recv(1)


def test_probes_leave_no_trace(alone: Gateway) -> None:
    """No line above debug, no session, no file: connections, handshakes and health checks of every kind."""
    before = len(lines(alone.process.log))
    tunnel = int(alone.variables["TUNNEL_LISTEN"].rpartition(":")[2])
    for port in (alone.http_port, alone.grpc_port, tunnel):
        socket.create_connection(("127.0.0.1", port), 20).close()
        silent(port, tls=False)
        silent(port, tls=True)
    every_answer(alone)
    check(alone.grpc_port)
    with alone.api() as api:
        failed = 'penstock_handshakes_total{port="tunnel",result="failed"} 3'
        until("the tunnel port has seen all", lambda: failed in alone.admin("metrics").text)
        api.log_in(ADMIN, alone.password)
        until("the login is in the log", lambda: len(lines(alone.process.log)) > before)
        told = [line["message"] for line in lines(alone.process.log)[before:]]
        assert told == ["login"]
        assert api.get("sessions")["items"] == []
    for folder in ("sessions", "recordings"):
        assert [file for file in (alone.home / folder).rglob("*") if file.suffix != ".seals"] == []


def test_gin_mode_debug_logs_the_routes(alone: Gateway, stack: Stack) -> None:
    """Every operation of the API's own description, and what the core answers; without it none."""
    logged = {
        (line["method"], line["path"]) for line in lines(alone.process.log) if line["message"] == "route"
    }
    with alone.api() as api:
        described = api.get("openapi.json")["paths"]
    operations = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert ("GET", "/api/healthz") in operations <= logged
    assert {("POST", "/protobuf.Transport/Connect"), ("POST", "/grpc.health.v1.Health/Watch")} <= logged
    assert [line for line in lines(stack.gateway.process.log) if line["message"] == "route"] == []


def test_a_drain_is_told_before_anything_ends(own_stack: Callable[..., Stack], application: str) -> None:
    """SIGTERM while a session lives: every kind of check turns at once, and the session goes on."""
    stack = own_stack(DRAIN_SECONDS="120")
    gateway = stack.gateway
    with (
        connect(stack.forward("db").port, application) as session,
        grpc.insecure_channel(f"127.0.0.1:{gateway.grpc_port}") as channel,
    ):
        session.execute("SELECT 1")
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=120)
        assert next(watch).status == SERVING
        gateway.process.signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        # From here on nothing is waited for: one flag is behind all of them.
        assert gateway.admin("ready").status_code == 503
        assert gateway.admin("live").status_code == 200
        for what, (status, body) in every_answer(gateway).items():
            assert status == 503, what
            if what.startswith("GET") and "/api/" in what:
                assert json.loads(body) == {"status": "unavailable", "reason": "shutting down"}
        assert [check(port) for port in (gateway.http_port, gateway.grpc_port)] == [NOT_SERVING] * 2
        assert session.execute("SELECT 2").fetchone() == (2,)
        watch.cancel()
    assert gateway.process.wait(60) == 0
