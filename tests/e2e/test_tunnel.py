"""Agents that dial the tunnel port with certificates: who may, who may not, and until when."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from penstock.domain.certificate import NewCertificate
from penstock.identity.peers import PeerAuthority

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.logs import lines
from tests.e2e.stack.pki import LongAgo
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Process
from tests.e2e.stack.stack import Stack, running
from tests.e2e.stack.waiting import until

# What the product promises: revocation ends a live session within one second.
PROMISED = timedelta(seconds=1)
DAY = timedelta(days=1)


@dataclass
class Tunnel:
    """A gateway with a tunnel port, and a command line on its machine."""

    stack: Stack
    cli: Cli
    port: int

    @property
    def log(self) -> Path:
        """The gateway's."""
        return self.stack.gateway.process.log

    def issue(self, name: str, *options: str) -> dict[str, Any]:
        """A certificate by the command line."""
        found: dict[str, Any] = self.cli.json("pki", "issue", name, *options)
        return found

    def start(self, name: str, issued: dict[str, Any], **changes: str) -> Process:
        """An agent's process with a certificate."""
        variables = {
            "PENSTOCK_KEY": f"tls://127.0.0.1:{self.port}?ca={issued['ca_pin']}",
            "TLS_CERT": issued["cert"],
            "TLS_KEY": issued["key"],
            "LOG_LEVEL": "DEBUG",
            **changes,
        }
        home = environment(self.stack.folder / f"agent-{name}", variables)
        return self.stack.processes.start(name, [PENSTOCK, "start", "agent"], home)

    def status(self, name: str) -> str:
        """What the API says of an agent."""
        return str(self.stack.api.get(f"agents/{name}")["status"])

    def told(self, log: Path, *words: str) -> str:
        """A log's line with all of these words, as soon as there is one."""

        def look() -> str:
            found = (json.dumps(line) for line in lines(log))
            return next((line for line in found if all(word in line for word in words)), "")

        return until(f"{log.name} tells {words}", look)

    def greets(self, issued: dict[str, Any] | None) -> str:
        """What the port answers a TLS client: `bytes` of a link, or why there is none."""
        context = ssl.create_default_context(cafile=str(self.stack.gateway.home / "pki" / "ca.pem"))
        context.set_alpn_protocols(["h2"])
        if issued is not None:
            context.load_cert_chain(issued["cert"], issued["key"])
        try:
            with (
                socket.create_connection(("127.0.0.1", self.port), 10) as tcp,
                context.wrap_socket(tcp, server_hostname="localhost") as tls,
            ):
                # With TLS 1.3 a client is done before its certificate is judged.
                return "bytes" if tls.recv(1) else "closed"
        except ssl.SSLError as error:
            return str(error.reason)


@pytest.fixture(scope="module")
def tunnel(root: Path, postgres: Postgres) -> Iterator[Tunnel]:
    """A stack of its own."""
    port = free_port()
    with running(root / "tunnel", {"TUNNEL_LISTEN": f"127.0.0.1:{port}"}) as stack:
        cli = Cli(stack.gateway.home, stack.processes)
        cli.log_in(stack.gateway.url, ADMIN, stack.gateway.password)
        assert cli.json("pki", "init")["created"] is False
        yield Tunnel(stack, cli, port)


@pytest.mark.parametrize("flavour", ["swap", "rh2"])
def test_psql_through_an_agent_with_a_certificate(
    tunnel: Tunnel, postgres: Postgres, application: str, flavour: str
) -> None:
    """Four links over mutual TLS, and a session as over any other."""
    name = f"office-{flavour}"
    tunnel.stack.api.post("agents", name=name)
    agent = tunnel.start(name, tunnel.issue(name), TUNNEL_FLAVOUR=flavour)
    tunnel.stack.wait_for_agent("online", name)
    until("it holds its links", lambda: tunnel.stack.api.get(f"agents/{name}")["links"] == 4)
    tunnel.stack.connection(f"db-{flavour}", postgres.env(), agent=name)
    port = tunnel.stack.forward(f"db-{flavour}").port
    done = psql(port, application, "-At", "-c", "SELECT repeat('x', 1000000)")
    assert (done.code, len(done.out)) == (0, 1_000_001), done.err
    assert tunnel.stack.api.verify(tunnel.stack.api.session(application)["id"])["ok"] is True
    assert agent.stop() == 0
    tunnel.stack.wait_for_agent("offline", name)


def test_the_doctor_is_accepted_and_leaves_no_link(tunnel: Tunnel) -> None:
    tunnel.stack.api.post("agents", name="visited")
    issued = tunnel.issue("visited")
    key = f"tls://127.0.0.1:{tunnel.port}?ca={issued['ca_pin']}"
    variables = {"KEY": key, "TLS_CERT": issued["cert"], "TLS_KEY": issued["key"]}
    doctor = Cli(tunnel.stack.folder / "doctor", tunnel.stack.processes, variables)

    checks = doctor.json("doctor", "-e", "KEY")["checks"]

    assert {check["check"] for check in checks if check["status"] == "ok"} == {
        "name",
        "tcp",
        "tls",
        "credential",
    }
    until("the doctor has left", lambda: tunnel.status("visited") == "offline")
    tunnel.cli.ok("pki", "revoke", "visited")
    revoked = doctor.run("doctor", "-e", "KEY", "-o", "json").json
    assert [check["check"] for check in revoked["checks"] if check["status"] == "failed"] == ["credential"]


def test_what_revoking_cuts(tunnel: Tunnel, postgres: Postgres, application: str) -> None:
    """The running session within a second, and every later link; taken back, the agent returns by itself."""
    name = "revoked"
    tunnel.stack.api.post("agents", name=name)
    issued = tunnel.issue(name)
    tunnel.start(name, issued)
    tunnel.stack.wait_for_agent("online", name)
    tunnel.stack.connection("db-revoked", postgres.env(), agent=name)
    port = tunnel.stack.forward("db-revoked").port
    with connect(port, application) as client, ThreadPoolExecutor() as pool:
        assert client.execute("SELECT 1").fetchone() == (1,)
        cut = pool.submit(_loses, client)
        until("it waits", lambda: tunnel.stack.api.statements(tunnel.stack.api.session(application)["id"]))
        (revoked,) = tunnel.cli.json("pki", "revoke", name, "--reason", "the laptop was lost")
        assert revoked["fingerprint"] == issued["fingerprint"]
        assert cut.result(20) - datetime.fromisoformat(revoked["revoked_at"]) < PROMISED
    assert tunnel.stack.api.ended(tunnel.stack.api.session(application)["id"])["status"] != "interrupted"
    tunnel.told(tunnel.log, "certificate refused", "revoked on", name)
    assert tunnel.status(name) == "offline"
    assert tunnel.greets(issued) == "closed"
    listed = {item["fingerprint"]: item for item in tunnel.cli.json("pki", "list")}
    assert (listed[issued["fingerprint"]]["status"], listed[issued["fingerprint"]]["reason"]) == (
        "revoked",
        "the laptop was lost",
    )
    tunnel.stack.api.delete(f"certificates/{issued['fingerprint']}")
    tunnel.stack.wait_for_agent("online", name, 60)


def _loses(client: psycopg.Connection[Any]) -> datetime:
    """When the session was lost that waits for a notice."""
    with pytest.raises(psycopg.OperationalError):
        list(client.notifies(timeout=60))
    return datetime.now(UTC)


def test_a_certificate_of_another_authority(tunnel: Tunnel, tmp_path: Path) -> None:
    """The same name, and the gateway's own CA is trusted: it is the certificate that nobody here issued."""
    name = "forged"
    tunnel.stack.api.post("agents", name=name)
    own = tunnel.issue(name)
    other = Cli(tmp_path, tunnel.stack.processes).json("pki", "issue", name)
    forged = {**other, "ca_pin": own["ca_pin"]}
    agent = tunnel.start(name, forged)
    tunnel.told(tunnel.log, "no handshake", "UnknownIssuer")
    assert tunnel.greets(forged) == "TLSV1_ALERT_UNKNOWN_CA"
    assert (agent.running, tunnel.status(name)) == (True, "offline")
    agent.end()


def test_a_gateway_of_another_authority(tunnel: Tunnel, tmp_path: Path) -> None:
    """The agent says so, and shows its certificate to nobody else."""
    name = "wary"
    tunnel.stack.api.post("agents", name=name)
    other = Cli(tmp_path, tunnel.stack.processes).json("pki", "init")
    issued = tunnel.issue(name)
    by_pin = tunnel.start(name, {**issued, "ca_pin": other["ca_pin"]})
    tunnel.told(by_pin.log, "cannot reach the gateway", "CA")
    key = f"tls://127.0.0.1:{tunnel.port}"
    by_file = tunnel.start(name, issued, PENSTOCK_KEY=key, TLS_CA=other["ca"])
    tunnel.told(by_file.log, "cannot reach the gateway", "hint")
    assert tunnel.status(name) == "offline"
    by_pin.end()
    by_file.end()
    assert tunnel.start(name, issued, PENSTOCK_KEY=key, TLS_CA=issued["ca"]).running
    tunnel.stack.wait_for_agent("online", name)


def test_a_certificate_whose_name_is_no_agents(tunnel: Tunnel) -> None:
    """It names nobody until an agent's list says so."""
    issued = tunnel.issue("stranger", "--san", "spiffe://corp/stranger")
    agent = tunnel.start("stranger", issued)
    tunnel.told(tunnel.log, "certificate refused", "no agent has a certificate named", "stranger")
    assert tunnel.greets(issued) == "closed"
    assert agent.running
    options = ("--certificate-name", "spiffe://corp/stranger", "--certificate-name", "another")
    tunnel.cli.ok("admin", "create", "agent", "known", *options)
    tunnel.stack.wait_for_agent("online", "known", 60)
    agent.end()


def test_an_expired_certificate(tunnel: Tunnel) -> None:
    """The agent that has it says so and ends; the gateway would not have taken it."""
    name = "late"
    tunnel.stack.api.post("agents", name=name)
    past = PeerAuthority(tunnel.stack.gateway.home, LongAgo(days=2))
    files = past.issue(NewCertificate(name, DAY), tunnel.stack.folder / "expired")
    issued = {"cert": str(files.cert), "key": str(files.key), "ca_pin": files.authority.pin}
    agent = tunnel.start(name, issued)
    assert agent.wait() == 1
    told = agent.log.read_text("utf-8")
    assert "expired on" in told and f"pki issue {name}" in told, told
    assert tunnel.greets(issued) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"


def test_who_else_knocks(tunnel: Tunnel) -> None:
    """No certificate, and a server's: neither opens a link, and an agent's does."""
    assert tunnel.greets(None) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    server = tunnel.issue("edge.example", "--server")
    assert tunnel.greets(server).startswith(("SSLV3_ALERT", "TLSV1_ALERT"))
    tunnel.stack.api.post("agents", name="knocks")
    assert tunnel.greets(tunnel.issue("knocks")) == "bytes"


def test_no_key_of_a_certificate_is_logged(tunnel: Tunnel) -> None:
    """Not by the gateway, not by any agent."""
    keys = [key.read_text("ascii").splitlines()[1] for key in tunnel.stack.gateway.home.glob("pki/**/*.key")]
    assert len(keys) > 2
    for log in tunnel.stack.processes.logs.iterdir():
        text = log.read_text("utf-8", "replace")
        assert "PRIVATE KEY" not in text and not [key for key in keys if key in text], log
