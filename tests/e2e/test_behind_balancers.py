"""nginx, HAProxy and Envoy before a gateway, each with the file that is shipped for it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from tests.e2e.stack.balanced import Balanced, balanced
from tests.e2e.stack.balancers.envoy import Envoy
from tests.e2e.stack.balancers.haproxy import HAProxy
from tests.e2e.stack.balancers.nginx import Nginx
from tests.e2e.stack.balancers.site import IDLE_SECONDS, Balancer, Site
from tests.e2e.stack.clients import client_environment, connect, program, target
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.load import session, under_load
from tests.e2e.stack.peers import HAPROXY, Peers
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.publish import Certificates
from tests.e2e.stack.stack import AGENT
from tests.e2e.stack.waiting import until

BALANCERS: dict[str, Callable[[Site], Balancer]] = {"nginx": Nginx, "haproxy": HAProxy, "envoy": Envoy}

GIB = 1 << 30
# Of 8 KiB each, and no two alike.
LINES = GIB >> 13
LINE = "repeat('0123456789abcdef', 511) || lpad(n::text, 15, '0')"
RESULT = f"COPY (SELECT {LINE} FROM generate_series(1, {LINES}) AS n) TO STDOUT"


@pytest.fixture(scope="module", params=BALANCERS)
def behind(
    request: pytest.FixtureRequest,
    root: Path,
    peers: Peers,
    wheels: Path,
    certificates: Certificates,
    postgres: Postgres,
) -> Iterator[Balanced]:
    """A gateway behind one of them, with the connection `db`."""
    folder = root / f"behind-{request.param}"
    with balanced(folder, peers, wheels, certificates.edge, BALANCERS[request.param]) as behind:
        behind.stack.connection("db", postgres.env())
        yield behind


def test_everybody_comes_through_it(behind: Balanced) -> None:
    """What is advertised is the load balancer; nobody dials the gateway's own ports."""
    stack, port = behind.stack, behind.balancer.site.port
    assert stack.cli.json("status")["user"]["email"] == ADMIN
    assert f"@localhost:{port}" in stack.keys[AGENT] and "ca=" not in stack.keys[AGENT]
    assert stack.api.get("serverinfo")["grpc_url"] == f"grpcs://localhost:{port}"
    assert stack.api.http.get("healthz").json() == {"status": "ok"}
    until("all links are up", lambda: stack.api.get(f"agents/{AGENT}")["links"] == 4)
    forward = stack.forward("db")
    with connect(forward.port, "who") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        for process in (stack.agents[AGENT], forward.process):
            dialled = {
                each.raddr.port for each in psutil.Process(process.pid).net_connections("tcp") if each.raddr
            }
            assert port in dialled
            assert not {stack.gateway.http_port, stack.gateway.grpc_port} & dialled


@pytest.mark.timeout(600)
def test_a_result_of_a_gibibyte(behind: Balanced, application: str) -> None:
    """It passes the load balancer twice, from the agent and to the client, and every byte is in its place."""
    with _psql(behind.stack.forward("db").port, application) as psql:
        assert psql.stdout
        for first in range(1, LINES + 1, 1024):
            expected = "".join(f"{'0123456789abcdef' * 511}{n:015}\n" for n in range(first, first + 1024))
            # Not in the assertion itself, which would show both.
            same = psql.stdout.read(len(expected)) == expected.encode()
            assert same, first
        assert psql.stdout.read() == b""
        assert psql.wait() == 0
    ended = behind.stack.api.ended(behind.stack.api.session(application)["id"])
    assert ended["status"] == "closed" and ended["upstream_bytes"] > GIB


def test_a_session_that_is_silent_for_longer_than_it_allows(behind: Balanced, application: str) -> None:
    """The keepalive of the links is data to it."""
    with connect(behind.stack.forward("db").port, application) as connection:
        connection.execute("LISTEN nothing")
        # Not a wait for something to happen: nothing may, for so long.
        assert list(connection.notifies(timeout=2 * IDLE_SECONDS)) == []
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert behind.stack.api.ended(behind.stack.api.session(application)["id"])["status"] == "closed"


def test_reloaded_under_load(behind: Balanced, application: str) -> None:
    """nginx and HAProxy let what runs go on; Envoy's last process ends what it has, with an error."""
    stack = behind.stack
    forward = stack.forward("db")
    outcomes = under_load(forward.port, application, behind.balancer.reload)
    assert all(outcome.after for outcome in outcomes)
    if not isinstance(behind.balancer, Envoy):
        assert [outcome.cut for outcome in outcomes] == [0] * len(outcomes)
    assert forward.process.running
    stack.wait_for_agent("online")
    # Whoever dials now dials the new one.
    fresh = stack.cli.connect("db")
    with session(fresh.port, application) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    fresh.process.end()


def test_killed_and_started_again(behind: Balanced, application: str) -> None:
    """What was cut ends with an error that says so; agent and client dial again by themselves."""
    stack, balancer = behind.stack, behind.balancer
    forward = stack.forward("db")
    told = len(forward.notices())
    with (
        connect(forward.port, f"{application}-waiting") as waiting,
        _psql(forward.port, application) as psql,
    ):
        assert psql.stdout
        begun = psql.stdout.read(1 << 20)
        balancer.kill()
        rest, errors = psql.communicate(timeout=60)
        assert psql.returncode != 0 and errors
        assert len(begun) + len(rest) < GIB
        with pytest.raises(psycopg.OperationalError):
            list(waiting.notifies(timeout=60))
    until("both are told of", lambda: len(forward.notices()) >= told + 2)
    assert all("the link to the gateway was lost" in each["message"] for each in forward.notices()[told:])
    balancer.start()
    for name in (application, f"{application}-waiting"):
        ended = stack.api.ended(stack.api.session(name)["id"])
        assert ended["status"] == "failed" and ended["reason"], ended
        assert stack.api.verify(ended["id"])["ok"] is True
    with session(forward.port, application) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert forward.process.running and stack.agents[AGENT].running
    assert stack.cli.json("status")["user"]["email"] == ADMIN


def test_a_refusal_comes_through_it_whole(behind: Balanced) -> None:
    """An agent whose key is wrong learns that, and not that something in between answered so."""
    stack = behind.stack
    key = stack.api.post("agents", name="stranger")["key"]
    stack.keys["stranger"] = key.replace(key[key.index("@") - 6 : key.index("@")], "aaaaaa", 1)
    agent = stack.start_agent("stranger", behind.trust)
    assert agent.wait(60) == 1
    assert "the agent's key is wrong, or the agent was deleted" in agent.log.read_text("utf-8")
    stack.api.delete("agents/stranger")


def test_the_gateway_is_away_for_a_while(behind: Balanced, application: str) -> None:
    """What the load balancer answers in its place drives no agent away, not even one that starts then."""
    stack = behind.stack
    stack.keys["early"] = stack.api.post("agents", name="early")["key"]
    stack.gateway.process.kill()
    early = stack.start_agent("early", behind.trust)
    # Envoy answers calls that are gRPC in gRPC, the others with a page.
    words = "answered Unavailable" if isinstance(behind.balancer, Envoy) else "in the gateway's place"
    until("it says who answered", lambda: words in early.log.read_text("utf-8"))
    stack.gateway.start()
    until("the API is back", lambda: stack.api.http.get("healthz").is_success, 60)
    for name in (AGENT, "early"):
        stack.wait_for_agent("online", name, 60)
    with session(stack.forward("db").port, application) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    early.end()
    stack.api.delete("agents/early")


def _psql(port: int, application: str) -> subprocess.Popen[bytes]:
    command = [str(program("psql")), *target(port), "-d", "anything", "-X", "-c", RESULT]
    environment = client_environment(application)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


# What the tests above would not show


class Mute(grpc.GenericRpcHandler):  # type: ignore[misc]
    """In the gateway's place: takes a call and never says anything."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def service(self, details: Any) -> Any:
        """The handler of the one method there is."""
        found = details.method == "/protobuf.Transport/Connect"
        return grpc.stream_stream_rpc_method_handler(self.connect) if found else None

    def connect(self, _requests: Any, context: Any) -> Iterator[bytes]:
        """Headers, and then nothing."""
        context.send_initial_metadata((("mute", "so"),))
        context.add_callback(self.over.set)
        self.over.wait(60)
        yield from ()


@pytest.mark.parametrize("make", BALANCERS.values(), ids=BALANCERS)
def test_silence_is_cut(
    make: Callable[[Site], Balancer],
    root: Path,
    peers: Peers,
    wheels: Path,
    certificates: Certificates,
    application: str,
) -> None:
    """Without a keepalive a call does not last: else what is said above of silence would prove nothing."""
    handler, never = Mute(), threading.Event()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    folder = root / application
    certificate = certificates.edge
    credentials = grpc.ssl_channel_credentials(certificate.ca.read_bytes())
    with Processes(folder / "logs") as processes:
        site = Site(folder / "balancer", processes, peers, wheels, certificate, free_port(), grpc_port)
        # Whether it is well is not to be asked here.
        balancer = HAProxy(site, checks=False) if make is HAProxy else make(site)
        balancer.start()
        with grpc.secure_channel(f"localhost:{site.port}", credentials) as channel:
            call = channel.stream_stream("/protobuf.Transport/Connect")(iter(never.wait, True), timeout=60)
            with pytest.raises(grpc.RpcError) as cut:
                list(call)
            assert cut.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
            assert ("mute", "so") in call.initial_metadata()
        never.set()
    handler.over.set()
    server.stop(0).wait(10)


@pytest.mark.parametrize("release", HAPROXY)
def test_the_configuration_for_haproxy_is_valid(
    release: str, tmp_path: Path, peers: Peers, wheels: Path, certificates: Certificates
) -> None:
    """Without a warning, in each release that is meant."""
    with Processes(tmp_path / "logs") as processes:
        site = Site(tmp_path, processes, peers, wheels, certificates.edge, 8009, 8010)
        HAProxy(site, release).check()
