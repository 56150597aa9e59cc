"""Hostile HTTP/2 at the ports of access and on links: others go on, and nobody grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from h2.events import RemoteSettingsChanged, RequestReceived
from hyperframe.frame import Frame

from tests.e2e.stack.attacks import ANSWERS, ATTACKS, TRIGGERS, launch
from tests.e2e.stack.carried import carried, user
from tests.e2e.stack.cli import Cli, Result
from tests.e2e.stack.clients import psql
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.far_end import TunnelPort, link, tunnel_port
from tests.e2e.stack.http2 import Http2, dial
from tests.e2e.stack.limits import MIB, bounded
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Process
from tests.e2e.stack.publish import Certificates
from tests.e2e.stack.stack import AGENT, Stack, running

EVIL = "evil"


@dataclass(frozen=True)
class Siege:
    """A gateway with its three ports, an honest agent, and the certificate of one that is not."""

    stack: Stack
    tunnel_port: int
    certificate: Issued

    def goes_on(self) -> None:
        """An honest session is served, by the same processes as before."""
        done = psql(self.stack.forward("db").port, "honest", "-Atc", "SELECT 5")
        assert done.out == "5\n", done.err
        assert self.stack.gateway.process.running and self.stack.agents[AGENT].running

    @contextmanager
    def asked(self, pool: ThreadPoolExecutor) -> Iterator[tuple[Http2, Future[Result]]]:
        """The evil agent's link, on which the gateway asks for a target, and what its client gets of it."""
        with link(self.tunnel_port, self.certificate) as agent:
            agent.event(RemoteSettingsChanged)
            self.stack.wait_for_agent("online", EVIL)
            answer = pool.submit(self.stack.cli.run, "exec", EVIL, "-i", "SELECT 1", "-o", "json")
            agent.event(RequestReceived)
            yield agent, answer


@pytest.fixture(scope="module")
def siege(root: Path, postgres: Postgres) -> Iterator[Siege]:
    """One for all."""
    port = free_port()
    variables = {"TUNNEL_LISTEN": f"127.0.0.1:{port}"}
    with running(root / "siege", variables) as stack:
        stack.connection("db", postgres.env())
        stack.api.post("agents", name=EVIL)
        stack.connection(EVIL, postgres.env(), agent=EVIL)
        found = Cli(stack.gateway.home, stack.processes).json("pki", "issue", EVIL)
        certificate = Issued(Path(found["cert"]), Path(found["key"]), Path(found["ca"]), found["fingerprint"])
        yield Siege(stack, port, certificate)


@pytest.mark.parametrize("attack", [*ATTACKS.values(), *TRIGGERS.values()], ids=[*ATTACKS, *TRIGGERS])
def test_hostile_callers(siege: Siege, attack: Callable[[], Iterator[Frame]]) -> None:
    """At 8009, at 8010, and as a user on a link, all at once: cut off or left waiting."""
    gateway = siege.stack.gateway
    with bounded(gateway.process, 128 * MIB), ExitStack() as exits, ThreadPoolExecutor() as pool:
        doors = [dial(gateway.http_port), dial(gateway.grpc_port)]
        doors.append(exits.enter_context(carried(gateway.grpc_port, user(siege.stack.api.token or ""))))
        callers = [exits.enter_context(Http2(door, client=True)).begin() for door in doors]
        for sent in pool.map(lambda caller: launch(attack, caller), callers):
            assert sent < 32 * MIB, "it took everything"
        siege.goes_on()
    siege.goes_on()


@pytest.mark.parametrize("attack", ANSWERS.values(), ids=ANSWERS)
def test_a_hostile_agent(siege: Siege, attack: Callable[[], Iterator[Frame]]) -> None:
    """It dialled 8443 and answers: the session that asked it ends with an error, and no other."""
    with bounded(siege.stack.gateway.process, 64 * MIB), ThreadPoolExecutor() as pool:
        with siege.asked(pool) as (agent, answer):
            assert launch(attack, agent) < 32 * MIB, "it took everything"
            siege.goes_on()
        problem = answer.result(60).problem
        assert problem["hint"], problem
    siege.stack.wait_for_agent("offline", EVIL, 60)
    siege.goes_on()


def test_an_agent_that_never_opens_what_it_is_asked_for(siege: Siege) -> None:
    """It lives, for it answers PINGs; nobody waits for it for ever."""
    with ThreadPoolExecutor() as pool, siege.asked(pool) as (agent, answer):
        while not answer.done():
            agent.receive(0.2)
        problem = answer.result().problem
    assert f"agent {EVIL} did not answer within" in problem["detail"] and problem["hint"], problem
    [session, *_] = siege.stack.api.get("sessions", connection=EVIL)["items"]
    assert siege.stack.api.ended(session["id"])["status"] == "failed"


# A gateway that is none


@dataclass(frozen=True)
class Lured:
    """An agent that dials us."""

    process: Process
    port: TunnelPort


@pytest.fixture(scope="module")
def lured(siege: Siege, certificates: Certificates, root: Path) -> Iterator[Lured]:
    """With four links, each of which it dials again."""
    with tunnel_port(certificates.edge) as port:
        variables = {
            "PENSTOCK_KEY": f"tls://127.0.0.1:{port.port}",
            "TLS_CERT": str(certificates.device.cert),
            "TLS_KEY": str(certificates.device.key),
            "TLS_CA": str(certificates.edge.ca),
        }
        home = environment(root / "lured", variables)
        yield Lured(siege.stack.processes.start("lured", [PENSTOCK, "start", "agent"], home), port)


@pytest.mark.parametrize("attack", [*ATTACKS.values(), *TRIGGERS.values()], ids=[*ATTACKS, *TRIGGERS])
def test_a_hostile_gateway(lured: Lured, attack: Callable[[], Iterator[Frame]]) -> None:
    """The agent ends the link or bears it, does not grow, and answers on the next."""
    with lured.port.link() as gateway, bounded(lured.process, 64 * MIB):
        gateway.event(RemoteSettingsChanged)
        assert launch(attack, gateway) < 32 * MIB, "it took everything"
        with lured.port.link() as another:
            assert another.answer(another.request("/hello")).status == 404
    assert lured.process.running
