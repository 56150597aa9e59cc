"""Agents, workers and the command line in a network that has no way out but a forward proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.stack.api import Api
from tests.e2e.stack.cli import Cli, Result
from tests.e2e.stack.clients import psql
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN, Gateway
from tests.e2e.stack.logs import lines
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.proxy import Proxy
from tests.e2e.stack.publish import Certificates, wait_for_answer
from tests.e2e.stack.squid import FORBIDDEN, HOST, USER, Squid, squid
from tests.e2e.stack.waiting import until
from tests.e2e.stack.worker import Worker


@dataclass(frozen=True)
class Scene:
    """A gateway by a name that only the forward proxy can resolve."""

    folder: Path
    processes: Processes
    gateway: Gateway
    api: Api
    squid: Squid

    def key(self, name: str) -> str:
        """A new agent's."""
        return str(self.api.post("agents", name=name)["key"])

    def agent(self, name: str, key: str, **variables: str) -> Process:
        """Started, wherever it comes."""
        own = environment(self.folder / name, {"PENSTOCK_KEY": key, "LOG_LEVEL": "DEBUG", **variables})
        return self.processes.start(name, [PENSTOCK, "start", "agent"], own)

    def is_online(self, name: str) -> bool:
        """Whether the gateway has its links."""
        return bool(self.api.get(f"agents/{name}")["status"] == "online")

    def log_in(self, cli: Cli, pin: str, place: str) -> Result:
        """Logs in at `HOST:PORT`."""
        options = ("--api-url", f"https://{place}", "--email", ADMIN, "--password-stdin", "--ca-pin", pin)
        return cli.run("login", *options, "-o", "json", stdin=f"{self.gateway.password}\n")


@pytest.fixture(scope="module")
def scene(root: Path, peers: Peers, certificates: Certificates, postgres: Postgres) -> Iterator[Scene]:
    """The gateway advertises the name, and its certificate holds it."""
    folder = root / "forward-proxy"
    with Processes(folder / "logs") as processes, squid(peers, processes, certificates.edge) as proxy:
        gateway = Gateway(folder / "gateway", processes)
        gateway.variables = {
            "API_URL": f"https://{HOST}:{gateway.http_port}",
            "GRPC_URL": f"grpcs://{HOST}:{gateway.grpc_port}",
        }
        gateway.start()
        with gateway.api() as api:
            api.log_in(ADMIN, gateway.password)
            yield Scene(folder, processes, gateway, api, proxy)


def test_a_session_where_both_ends_have_a_proxy_before_them(
    scene: Scene, postgres: Postgres, application: str
) -> None:
    """REST and links of both go through it, with the password that it asks for."""
    key = scene.key("office")
    agent = scene.agent("office", key, HTTPS_PROXY=scene.squid.url())
    until("the agent is online", lambda: scene.is_online("office"))
    scene.api.post("connections", name="db", type="postgres", agent="office", env=postgres.env(), groups=[])
    cli = Cli(scene.folder / "user", scene.processes, {"https_proxy": scene.squid.url()})
    assert scene.log_in(cli, pin(key), f"{HOST}:{scene.gateway.http_port}").code == 0
    forward = cli.connect("db")
    assert psql(forward.port, application, "-Atc", "SELECT 6 * 7").out == "42\n"
    assert scene.api.ended(scene.api.session(application)["id"])["status"] == "closed"
    assert (forward.process.stop(), agent.stop()) == (0, 0)
    until("squid has carried REST", lambda: scene.squid.carried(f"{HOST}:{scene.gateway.http_port}"))
    until("squid has carried links", lambda: scene.squid.carried(f"{HOST}:{scene.gateway.grpc_port}"))


def test_a_proxy_that_is_reached_by_tls(scene: Scene, certificates: Certificates) -> None:
    """The system's roots vouch for the proxy, `TLS_CA` and `TLS_SERVER_NAME` for the gateway behind it."""
    key = scene.key("sealed")
    bare = key.partition("?")[0]
    variables = {"HTTPS_PROXY": scene.squid.tls_url, "SSL_CERT_FILE": str(certificates.edge.ca)}
    trust = {"TLS_CA": str(scene.gateway.ca), "TLS_SERVER_NAME": "localhost"}
    agent = scene.agent("sealed", bare, **variables, **trust)
    until("the agent is online", lambda: scene.is_online("sealed"))
    cli = Cli(scene.folder / "sealed-user", scene.processes, variables)
    assert scene.log_in(cli, pin(key), f"{HOST}:{scene.gateway.http_port}").code == 0
    assert agent.stop() == 0
    other = scene.agent("mistaken", bare, **variables, **{**trust, "TLS_SERVER_NAME": "elsewhere.test"})
    assert "TLS_SERVER_NAME" in said(other, "not valid for name")
    other.end()


@dataclass(frozen=True)
class Fault:
    """What is wrong with the way through the proxy, and what is said of it."""

    name: str
    said: str
    advice: str
    user: str = USER
    host: str = HOST
    dead: bool = False
    """Nobody is at the proxy's address."""
    closed: bool = False
    """Nobody is at the gateway's."""


FAULTS = [
    Fault("nobody", "407", "NAME:PASSWORD", user=""),
    Fault("stranger", "407", "HTTPS_PROXY", user="me:wrong@"),
    Fault("forbidden", "403", "administrator", host=FORBIDDEN),
    Fault("closed", "503", "NO_PROXY", closed=True),
    Fault("dead", "cannot be reached", "HTTPS_PROXY", dead=True),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_proxy_is_named_when_it_is_the_proxy(scene: Scene, fault: Fault) -> None:
    """Not the gateway, which never heard of it; and neither tells the password."""
    proxy = f"http://{fault.user}127.0.0.1:{free_port()}" if fault.dead else scene.squid.url(fault.user)
    key = scene.key(fault.name)
    ports = [free_port()] * 2 if fault.closed else [scene.gateway.http_port, scene.gateway.grpc_port]
    rest, grpc = (f"{fault.host}:{port}" for port in ports)
    dialled = key.replace(f"{HOST}:{scene.gateway.grpc_port}", grpc)
    agent = scene.agent(fault.name, dialled, HTTPS_PROXY=proxy)
    told = said(agent, "forward proxy")
    assert fault.said in told and fault.advice in told, told
    assert agent.running, "the proxy may let it through later"
    agent.end()
    cli = Cli(scene.folder / f"{fault.name}-user", scene.processes, {"HTTPS_PROXY": proxy})
    problem = scene.log_in(cli, pin(key), rest).problem
    assert "forward proxy" in problem["detail"] and fault.said in problem["detail"], problem
    assert fault.advice in problem["hint"], problem
    assert "p%40ss" not in json.dumps(problem) + told and "p@ss" not in json.dumps(problem) + told


def pin(key: str) -> str:
    """Of the gateway's CA, as an agent's key holds it."""
    return key.partition("?ca=")[2]


def said(agent: Process, words: str) -> str:
    """The first line of its log with these words."""

    def look() -> str | None:
        found = [text for line in lines(agent.log) if words in (text := json.dumps(line))]
        return found[0] if found else None

    return until(f"{agent.name} says {words}", look)


def test_the_doctor_goes_the_same_way(scene: Scene) -> None:
    """And says so where the proxy does not let it through, without the password."""
    key = scene.key("examined")

    def doctor(user: str) -> Result:
        variables = {"KEY": key, "HTTPS_PROXY": scene.squid.url(user)}
        return Cli(scene.folder / "doctor", scene.processes, variables).run(
            "doctor", "-e", "KEY", "-o", "json"
        )

    let_through, refused = doctor(USER), doctor("me:p%40ss@")
    assert let_through.code == 0, let_through
    (failed,) = (check for check in refused.json["checks"] if check["status"] == "failed")
    assert (failed["check"], failed["diagnosis"]["name"]) == ("tls", "forward-proxy"), failed
    assert "407" in failed["detail"]
    assert "p%40ss" not in refused.out + refused.err and "p@ss" not in refused.out + refused.err


def test_what_no_proxy_names_is_reached_without(scene: Scene) -> None:
    """The name is nobody's but the proxy's, so that whoever goes round it does not get there."""
    agent = scene.agent(
        "around", scene.key("around"), HTTPS_PROXY=scene.squid.url(), NO_PROXY=".test,10.0.0.0/8"
    )
    told = said(agent, "cannot reach the gateway")
    assert HOST in told and "forward proxy" not in told
    agent.end()


def test_what_is_no_proxy_is_not_gone_round(scene: Scene) -> None:
    """A mistake in the variable must not send anything straight to where it should not go."""
    agent = scene.agent("socks", scene.key("socks"), HTTPS_PROXY="socks5://me:hush@127.0.0.1:1080")
    assert agent.wait() == 1
    told = agent.log.read_text("utf-8")
    assert "HTTPS_PROXY" in told and "hush" not in told


def test_a_worker_with_a_proxy_before_it(scene: Scene, certificates: Certificates) -> None:
    """Mutual TLS passes through: the forward proxy sees bytes."""
    proxy = Proxy(scene.folder / "proxy", scene.processes, certificates.edge)
    proxy.start()
    worker = Worker(scene.folder / "worker", scene.processes, certificates.worker, proxy.tunnel_port)
    worker.options += ("--connect", f"{HOST}:{proxy.tunnel_port}")
    worker.variables = {"HTTPS_PROXY": scene.squid.url(), "TLS_SERVER_NAME": "localhost"}
    wait_for_answer(proxy.url, worker.start())
    assert worker.process.stop() == 0
    until("squid has carried it", lambda: scene.squid.carried(f"{HOST}:{proxy.tunnel_port}"))
