"""What the ports answer: gRPC, health checks, the API, over TLS and not, HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import json
import subprocess

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import AGENT, Stack


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
@pytest.mark.parametrize(
    "method", ["/no.Such/Method", "/protobuf.Transport/NoSuch", "/AWS.ALB/healthcheck", "/"]
)
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
