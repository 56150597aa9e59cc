"""Two thousand at each port who say nothing or half of it: others go on, and none of them is kept."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from h2.events import RemoteSettingsChanged

from tests.e2e.stack.carried import refusal, user
from tests.e2e.stack.cli import Cli, Forward
from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.far_end import link
from tests.e2e.stack.limits import descriptors
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack, running
from tests.e2e.stack.strangers import is_closed, stranger
from tests.e2e.stack.waiting import until

STRANGERS = 2000
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
HTTP = (b"", HELLO, b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n")


@dataclass(frozen=True)
class Quiet:
    """A gateway with its three ports, and somebody who uses it."""

    stack: Stack
    tunnel_port: int
    certificate: Issued
    other: Forward
    """Another user's way to the same database."""

    @property
    def local_port(self) -> int:
        """Of `penstock connect`."""
        return self.stack.forward("db").port


@pytest.fixture(scope="module")
def quiet(root: Path, postgres: Postgres) -> Iterator[Quiet]:
    """One for all."""
    port = free_port()
    with running(root / "quiet", {"TUNNEL_LISTEN": f"127.0.0.1:{port}"}) as stack:
        stack.connection("db", postgres.env())
        stack.api.post("agents", name="honest")
        found = Cli(stack.gateway.home, stack.processes).json("pki", "issue", "honest")
        certificate = Issued(Path(found["cert"]), Path(found["key"]), Path(found["ca"]), found["fingerprint"])
        other = stack.user("other@test.example", "admin").connect("db")
        yield Quiet(stack, port, certificate, other)


def asks_the_api(quiet: Quiet) -> bool:
    """On a connection of its own."""
    trust = ssl.create_default_context(cafile=str(quiet.stack.gateway.ca))
    answer = httpx.get(f"{quiet.stack.gateway.url}/api/healthz", verify=trust, trust_env=False, timeout=30)
    return answer.status_code == httpx.codes.OK


def opens_a_link(quiet: Quiet) -> bool:
    """As a user does."""
    token = quiet.stack.api.token or ""
    return refusal(quiet.stack.gateway.grpc_port, user(token)) is grpc.StatusCode.OK


def dials_the_tunnel(quiet: Quiet) -> bool:
    """As an agent does that has a certificate."""
    with link(quiet.tunnel_port, quiet.certificate) as agent:
        return agent.event(RemoteSettingsChanged) is not None


def opens_a_session(quiet: Quiet) -> bool:
    """As another user's client does: whoever lets two thousand at his own port waits for himself."""
    return psql(quiet.other.port, "honest", "-Atc", "SELECT 5").out == "5\n"


DOORS: dict[str, tuple[Callable[[Quiet], int], tuple[bytes, ...], Callable[[Quiet], bool]]] = {
    "8009": (lambda quiet: quiet.stack.gateway.http_port, HTTP, asks_the_api),
    "8010": (lambda quiet: quiet.stack.gateway.grpc_port, HTTP, opens_a_link),
    "8443": (lambda quiet: quiet.tunnel_port, (b"", HELLO), dials_the_tunnel),
    "connect": (
        lambda quiet: quiet.local_port,
        (b"", struct.pack(">II", 100, 196608) + b"user\0"),
        opens_a_session,
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_many_who_say_nothing(quiet: Quiet, door: str, application: str) -> None:
    """Whoever comes meanwhile is served, a session lives on, and all are closed in the end."""
    port, words, honest = DOORS[door]
    with (
        connect(quiet.local_port, application) as session,
        descriptors(STRANGERS + 256),
        ExitStack() as exits,
    ):
        strangers = [
            exits.enter_context(stranger(port(quiet), words[number % len(words)]))
            for number in range(STRANGERS)
        ]
        assert honest(quiet)
        assert session.execute("SELECT 1").fetchone() == (1,)
        until("all are closed", lambda: all(map(is_closed, strangers)), 90)
        assert honest(quiet)
        assert session.execute("SELECT 2").fetchone() == (2,)
    assert quiet.stack.api.ended(quiet.stack.api.session(application)["id"])["status"] == "closed"
