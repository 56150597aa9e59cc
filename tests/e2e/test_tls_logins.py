"""Logins at a PostgreSQL that speaks TLS itself: bound to its certificate, or TLS from the first byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack.certificates import Authority
from tests.e2e.stack.mute_tls import mute_tls
from tests.e2e.stack.openssl_postgres import OpensslPostgres, between, openssl_postgres
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.tls_front import Interceptor
from tests.e2e.test_logins import ask

WHO = {"user": "bound", "database": "postgres", "local": False}


@pytest.fixture(scope="module")
def server(root: Path, peers: Peers) -> Iterator[OpensslPostgres]:
    """Debian's newest."""
    with (
        Processes(root / "openssl-logs" / "logs") as processes,
        openssl_postgres(root / "openssl", peers, processes) as server,
    ):
        yield server


@pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_every_way_in(stack: Stack, server: OpensslPostgres, mode: str, negotiation: str) -> None:
    """The server offers SCRAM-SHA-256-PLUS, so the login is bound to its certificate."""
    if (mode, negotiation) == ("prefer", "direct"):
        refused = stack.cli.run(
            "admin", "create", "connection", "weak", "--type", "postgres", "-e", "HOST=localhost",
            "-e", "USER=u", "-e", "SSLMODE=prefer", "-e", "SSLNEGOTIATION=direct",
        )  # fmt: skip
        assert refused.code and "insists on TLS" in refused.err
        return
    changes = {"SSLMODE": mode, "SSLNEGOTIATION": negotiation}
    if mode.startswith("verify"):
        changes["SSLROOTCERT"] = server.authority.pem
    assert ask(stack, server.env(**changes)) == WHO


def test_nobody_in_between_can_pass_the_login_on(stack: Stack, server: OpensslPostgres, root: Path) -> None:
    """`require` believes any certificate; the server sees that the login was meant for another."""
    impostor = Interceptor(
        Authority("Impostor").server_context(root, "impostor"), between(server), server.port
    )
    with impostor.running() as between_them:
        refused = ask(stack, server.env(PORT=str(between_them.port)))
    assert "channel binding" in refused["detail"], refused


def test_tls_from_the_first_byte_must_say_what_is_spoken(
    stack: Stack, server: OpensslPostgres, root: Path
) -> None:
    """A TLS server that knows nothing of PostgreSQL is not believed to be one."""
    with mute_tls(Authority("Other").server_context(root, "other")) as port:
        refused = ask(stack, server.env(PORT=str(port), SSLNEGOTIATION="direct"))
    assert "does not say that PostgreSQL is spoken" in refused["detail"], refused
