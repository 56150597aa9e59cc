"""Who calls, through load balancers: believed from trusted ones only; and one port, another name."""

from __future__ import annotations

import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.clients import psql
from tests.e2e.stack.front import CALLER, Front
from tests.e2e.stack.gateway import ADMIN, Gateway
from tests.e2e.stack.haproxy import HAProxy
from tests.e2e.stack.logs import lines
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.publish import Certificates
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.waiting import until

PROXY = "127.0.0.1"
"""What is trusted: HAProxy, and whoever else calls from here."""
STRANGER = "127.0.0.77"
"""An address of this machine's that is not."""
FORGED = "198.51.100.66"


@dataclass(frozen=True)
class Behind:
    """A stack whose gateway is behind HAProxy."""

    stack: Stack
    front: Front

    def told(self, message: str, **what: Any) -> dict[str, Any]:
        """A line of the gateway's log, as soon as there is one."""
        wanted = {"message": message, **what}.items()

        def look() -> dict[str, Any] | None:
            found = lines(self.stack.gateway.process.log)
            return next((line for line in found if wanted <= line.items()), None)

        return until(f"the gateway tells {message} {what}", look)


@pytest.fixture(scope="module")
def behind(root: Path, postgres: Postgres, peers: Peers, certificates: Certificates) -> Iterator[Behind]:
    """API_URL names HAProxy; GRPC_URL, which is not set, follows it."""
    folder = root / "behind"
    with ExitStack() as exits:
        processes = exits.enter_context(Processes(folder / "logs"))
        gateway = Gateway(folder / "gateway", processes)
        tunnel = free_port()
        front = Front(HAProxy(peers, "trixie", processes), certificates.edge, gateway, tunnel)
        gateway.variables = {
            "API_URL": front.url,
            "TRUSTED_PROXIES": PROXY,
            "TUNNEL_LISTEN": f"127.0.0.1:{tunnel}",
            "LINK_KEEPALIVE_SECONDS": "2",
        }
        gateway.start()
        front.start()
        api = exits.enter_context(gateway.api())
        api.log_in(ADMIN, gateway.password)
        trust = {"TLS_CA": str(certificates.edge.ca)}
        cli = Cli(folder / "admin", processes, trust)
        cli.log_in(front.url, ADMIN, gateway.password)
        stack = Stack(folder, processes, gateway, api, cli)
        stack.agent(AGENT, trust)
        stack.connection("db", postgres.env())
        yield Behind(stack, front)


def test_one_port_and_another_name_are_enough(behind: Behind, application: str) -> None:
    """Login, agent and session by HAProxy's port, which leads to 8009 alone; 8010 hears of nobody."""
    key, where = behind.stack.keys[AGENT], f"localhost:{behind.front.tls_port}"
    assert key.startswith(f"grpcs://{AGENT}:")
    assert key.endswith(f"@{where}"), "HAProxy's certificate is not our CA's: no pin"
    status = behind.stack.cli.json("status")
    assert (status["gateway"], status["grpc_url"]) == (behind.front.url, f"grpcs://{where}")
    told = psql(behind.stack.forward("db").port, application, "-Atc", "SELECT 6 * 7")
    assert told.out == "42\n"
    session = behind.stack.api.ended(behind.stack.api.session(application)["id"])
    assert session["peer"] == CALLER
    assert behind.told("agent's link up", agent=AGENT)["peer"] == CALLER
    metrics = behind.stack.gateway.admin("metrics").text
    assert 'penstock_connections{port="http"}' in metrics
    assert 'port="grpc"' not in metrics


def test_what_is_advertised_is_the_front(behind: Behind) -> None:
    """In the answer, on the page and in the certificate's names; never what we listen on."""
    own = [f":{port}" for port in (behind.stack.gateway.http_port, behind.stack.gateway.grpc_port)]
    trust = ssl.create_default_context(cafile=str(behind.front.certificate.ca))
    with httpx.Client(base_url=behind.front.url, verify=trust, http2=True, trust_env=False) as http:
        info = http.get("/api/serverinfo").json()
        page = http.get("/").text
    grpc_url = behind.front.url.replace("https", "grpcs")
    assert (info["api_url"], info["grpc_url"], info["ca_pin"]) == (behind.front.url, grpc_url, None)
    assert f"penstock login --api-url {behind.front.url}" in page
    assert [port for port in own if port in page or port in str(info)] == []


def refused_login(
    behind: Behind, url: str, source: str, headers: Mapping[str, str], ca: Path | None = None
) -> str:
    """From where a wrong password came, as the log has it."""
    email = f"{uuid.uuid4().hex}@test.example"
    verify = ssl.create_default_context(cafile=str(ca)) if ca else True
    transport = httpx.HTTPTransport(local_address=source, verify=verify)
    with httpx.Client(transport=transport, headers=headers, timeout=30) as http:
        answer = http.post(f"{url}/api/login", json={"email": email, "password": "not the password"})
    assert answer.status_code == 401, answer.text
    peer = behind.told("login refused", email=email)["peer"]
    assert isinstance(peer, str)
    return peer


FORGERY = {
    "X-Forwarded-For": f"{FORGED}, {PROXY}",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": FORGED,
    "X-Forwarded-User": ADMIN,
}


@pytest.mark.parametrize(
    ("source", "headers", "peer"),
    [
        (STRANGER, FORGERY, STRANGER),
        (STRANGER, {"Forwarded": f"for={FORGED}"}, STRANGER),
        (PROXY, {}, PROXY),
        (PROXY, {"X-Forwarded-For": f"{FORGED}, {CALLER}, {PROXY}"}, CALLER),
        (PROXY, {"X-Forwarded-For": "2001:db8::7"}, "2001:db8::7"),
        (PROXY, {"Forwarded": f'for={FORGED}, for="[2001:db8::7]:4711";proto=https'}, "2001:db8::7"),
        (PROXY, {"X-Forwarded-For": f"{FORGED}, nonsense"}, PROXY),
        (PROXY, {"Forwarded": f'for={FORGED}, for="unclosed'}, PROXY),
        (PROXY, {"X-Forwarded-For": CALLER, "Forwarded": f"for={FORGED}"}, PROXY),
        (PROXY, {"X-Real-IP": FORGED, "X-Forwarded-User": ADMIN}, PROXY),
    ],
)
def test_headers_count_from_trusted_proxies_only(
    behind: Behind, source: str, headers: Mapping[str, str], peer: str
) -> None:
    """The rightmost hop that is not trusted is the caller; what cannot be read is nobody."""
    url = f"http://127.0.0.1:{behind.stack.gateway.http_port}"
    assert refused_login(behind, url, source, headers) == peer


def test_haproxy_says_who_calls(behind: Behind) -> None:
    """By `X-Forwarded-For` behind TLS, by `Forwarded`, by PROXY protocol before plain HTTP and before TLS;
    not what callers say themselves."""
    front, forged = behind.front, {"X-Forwarded-For": FORGED}
    assert refused_login(behind, front.url, STRANGER, forged, front.certificate.ca) == STRANGER
    assert refused_login(behind, front.url, PROXY, forged, front.certificate.ca) == CALLER
    forwarded = f"http://127.0.0.1:{front.forwarded_port}"
    assert refused_login(behind, forwarded, STRANGER, {"Forwarded": f"for={FORGED}"}) == STRANGER
    plain, sealed = (f"{scheme}://127.0.0.1:{front.v1_port}" for scheme in ("http", "https"))
    assert refused_login(behind, plain, STRANGER, forged) == STRANGER
    assert refused_login(behind, sealed, STRANGER, forged, behind.stack.gateway.ca) == STRANGER


def test_proxy_protocol_on_the_grpc_port(behind: Behind) -> None:
    """An agent with a wrong key, from a caller behind a balancer that passes bytes."""
    name = f"x{uuid.uuid4().hex[:12]}"
    command = ["curl", "-sS", "--http2-prior-knowledge", "--max-time", "20", "--noproxy", "*"]
    command += ["--interface", STRANGER, "-o", "/dev/null", "-X", "POST"]
    for field in ("content-type: application/grpc", "authorization: Bearer pst_x", f"penstock-agent: {name}"):
        command += ["-H", field]
    url = f"http://127.0.0.1:{behind.front.v2_port}/protobuf.Transport/Connect"
    subprocess.run([*command, url], check=True)
    assert behind.told("agent refused", agent=name)["peer"].rpartition(":")[0] == STRANGER


def test_proxy_protocol_on_the_tunnel_port(behind: Behind) -> None:
    """Somebody with a certificate of ours that is no agent's."""
    gateway = behind.stack.gateway
    made = Cli(gateway.home, behind.stack.processes).json("pki", "issue", "nobody")
    shown = Issued(Path(made["cert"]), Path(made["key"]), Path(made["ca"]), made["fingerprint"])
    context = ssl.create_default_context(cafile=str(shown.ca))
    context.check_hostname = False
    context.load_cert_chain(shown.cert, shown.key)
    context.set_alpn_protocols(["h2"])
    port = behind.front.tunnel_port
    with socket.create_connection(("127.0.0.1", port), 20, source_address=(STRANGER, 0)) as tcp:
        context.wrap_socket(tcp).close()
    peer = behind.told("certificate refused", names=["nobody"])["peer"]
    assert peer.rpartition(":")[0] == STRANGER


def test_a_proxy_header_from_a_stranger_is_no_http(behind: Behind) -> None:
    """It is refused as what it is there: a request that cannot be read."""
    header = f"PROXY TCP4 {FORGED} 127.0.0.1 1 2\r\n".encode()
    request = b"GET /api/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    port = behind.stack.gateway.http_port
    for source, answered in ((STRANGER, b"HTTP/1.1 400"), (PROXY, b"HTTP/1.1 200")):
        with socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0)) as tcp:
            tcp.sendall(header + request)
            assert tcp.recv(65536).startswith(answered)


def test_guessers_are_slowed_down_each_for_itself(behind: Behind) -> None:
    """Fifty wrong passwords of one caller do not lock out the next one behind the same proxy."""
    url = f"http://127.0.0.1:{behind.stack.gateway.http_port}/api/login"
    with httpx.Client(trust_env=False, timeout=30) as http:

        def guess(caller: str) -> int:
            body = {"email": f"{uuid.uuid4().hex}@test.example", "password": "not the password"}
            return http.post(url, json=body, headers={"X-Forwarded-For": caller}).status_code

        assert {guess("203.0.113.50") for _ in range(50)} == {401}
        assert guess("203.0.113.50") == 429
        assert guess(f"203.0.113.51, 203.0.113.50, {PROXY}") == 429
        assert guess("203.0.113.51") == 401
