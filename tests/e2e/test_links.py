"""Links and ports: who may speak plainly, who is believed, what else the ports answer, who comes back."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.e2e.stack.certificates import Authority
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.clients import connect
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.logs import lines
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import AGENT, Stack
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


# One port for everything


def test_an_agent_over_plaintext_on_this_machine(stack: Stack, postgres: Postgres) -> None:
    """As behind a proxy that ends TLS: the same ports speak without it."""
    name = "plain-agent"
    secret = stack.api.post("agents", name=name)["key"].partition("@")[0].rpartition(":")[2]
    for port in (stack.gateway.grpc_port, stack.gateway.http_port):
        stack.keys[name] = f"grpc://{name}:{secret}@127.0.0.1:{port}"
        agent = stack.start_agent(name)
        stack.wait_for_agent("online", name)
        assert agent.stop() == 0
        stack.wait_for_agent("offline", name)


def test_an_agent_over_tls_on_the_rest_port(stack: Stack) -> None:
    """One port can serve all."""
    name = "one-port"
    key = stack.api.post("agents", name=name)["key"]
    stack.keys[name] = key.replace(f":{stack.gateway.grpc_port}", f":{stack.gateway.http_port}")
    stack.start_agent(name)
    stack.wait_for_agent("online", name)
    stack.agents[name].stop()


def channel(stack: Stack, port: int, tls: bool) -> grpc.Channel:
    """A gRPC channel as any client opens it."""
    if not tls:
        return grpc.insecure_channel(f"127.0.0.1:{port}")
    credentials = grpc.ssl_channel_credentials(stack.gateway.ca.read_bytes())
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials)


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("port", ["grpc_port", "http_port"])
def test_grpc_health(stack: Stack, port: str, tls: bool) -> None:
    """grpc.health.v1 with Google's own client: SERVING for the whole and for the transport."""
    with channel(stack, getattr(stack.gateway, port), tls) as opened:
        health = health_pb2_grpc.HealthStub(opened)
        for service in ("", "protobuf.Transport"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            health.Check(health_pb2.HealthCheckRequest(service="no.Such"), timeout=10)
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=10)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


@pytest.mark.parametrize("port", ["grpc_port", "http_port"])
@pytest.mark.parametrize("method", ["/no.Such/Method", "/protobuf.Transport/NoSuch"])
def test_an_unknown_grpc_method_is_unimplemented(stack: Stack, port: str, method: str) -> None:
    """As gRPC wants it, not a web page."""
    with channel(stack, getattr(stack.gateway, port), tls=True) as opened:
        with pytest.raises(grpc.RpcError) as refused:
            opened.unary_unary(method)(b"", timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_transport_without_a_credential_is_unauthenticated(stack: Stack) -> None:
    """Before a byte of a link is read."""
    with channel(stack, stack.gateway.grpc_port, tls=True) as opened:
        for metadata in ((), (("authorization", "Bearer pst_wrong"),)):
            call = opened.stream_stream("/protobuf.Transport/Connect")
            with pytest.raises(grpc.RpcError) as refused:
                next(call(iter(()), metadata=metadata, timeout=10))
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


CURL = {
    "HTTP/1.1": ("1.1", ("--http1.1",)),
    "HTTP/2": ("2", ("--http2-prior-knowledge",)),
}


def curl(stack: Stack, url: str, version: str, *options: str) -> tuple[int, str, str, str]:
    """Status, HTTP version, content type and body of an answer."""
    shown = "\n%{http_code} %{http_version} %{content_type}"
    trust = ("--cacert", str(stack.gateway.ca), "--noproxy", "*", "--max-time", "20")
    command = ["curl", "-sS", *trust, "-w", shown, *CURL[version][1], *options, url]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    body, _, told = out.rpartition("\n")
    status, spoken, kind = told.split(" ", 2)
    return int(status), spoken, kind, body


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("version", list(CURL))
def test_the_grpc_port_answers_health_checks(stack: Stack, scheme: str, version: str) -> None:
    """`GET /` of load balancers."""
    url = f"{scheme}://127.0.0.1:{stack.gateway.grpc_port}/"
    assert curl(stack, url, version)[:2] == (200, CURL[version][0])


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("version", list(CURL))
def test_the_api_over_both_versions_of_http(stack: Stack, scheme: str, version: str) -> None:
    """Answers, problems and the page, whatever is spoken."""
    base = f"{scheme}://127.0.0.1:{stack.gateway.http_port}"
    status, spoken, kind, body = curl(stack, f"{base}/api/healthz", version)
    assert (status, spoken, json.loads(body)) == (200, CURL[version][0], {"status": "ok"})
    for path, expected, code in (
        ("/api/agents", 401, "unauthenticated"),
        ("/api/nowhere", 404, "not-found"),
    ):
        status, spoken, kind, body = curl(stack, base + path, version)
        assert (status, spoken, kind) == (expected, CURL[version][0], "application/problem+json")
        problem = json.loads(body)
        assert {"type", "title", "status", "detail", "code", "side"} <= problem.keys()
        assert (problem["status"], problem["code"]) == (expected, code)
    token = f"Authorization: Bearer {stack.api.token}"
    status, _, _, body = curl(stack, f"{base}/api/agents", version, "-H", token)
    assert status == 200 and AGENT in [agent["name"] for agent in json.loads(body)]
    status, _, kind, body = curl(stack, f"{base}/", version)
    assert status == 200 and kind.startswith("text/html") and "Penstock" in body


def test_problems_say_what_was_wrong_with_a_request(stack: Stack) -> None:
    """Unknown fields, wrong types, too much, wrong methods, no JSON."""
    headers = {"Authorization": f"Bearer {stack.api.token}", "Content-Type": "application/json"}
    for path, body, status in (
        ("agents", '{"name": "x", "colour": "red"}', 422),
        ("agents", '{"name": ["x"]}', 422),
        ("agents", '{"name": "no spaces, please"}', 400),
        ("agents", "{", 422),
        ("agents", json.dumps({"name": AGENT}), 409),
        ("healthz", "{}", 405),
        ("login", json.dumps({"email": "x", "password": "y" * 3_000_000}), 413),
        ("sessions/none/kill", "{}", 404),
    ):
        answer = stack.api.http.post(path, content=body, headers=headers)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        assert answer.status_code == status, answer.text
        problem = answer.json()
        assert problem["status"] == status and problem["detail"] and problem["code"], problem


def test_what_a_stranger_says_of_itself_is_not_believed(stack: Stack) -> None:
    """Headers that name a user or an address prove nothing."""
    headers = {"X-Forwarded-User": ADMIN, "X-Remote-User": ADMIN, "X-Forwarded-For": "10.0.0.1"}
    with httpx.Client(verify=False, trust_env=False) as http:
        assert http.get(f"{stack.gateway.url}/api/userinfo", headers=headers).status_code == 401
        # CONNECT and upgrades are for links, not for strangers.
        assert http.request("CONNECT", f"{stack.gateway.url}/api/agents").status_code >= 400


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
