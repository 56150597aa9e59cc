"""Debian's PostgreSQL, which speaks TLS itself and so can bind a login to it."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from penstock.demo.account import database_account
from penstock.demo.postgres import binaries

from tests.e2e.stack.certificates import Authority
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.waiting import until

PROGRAM = "usr/lib/postgresql/18/bin/postgres"
PASSWORD = "bound-to-the-certificate"

_HBA = """
local   all  postgres                trust
hostssl all  bound     127.0.0.1/32  scram-sha-256
"""


@dataclass(frozen=True)
class OpensslPostgres:
    """Where it listens, and whom to believe there."""

    port: int
    authority: Authority

    def env(self, **changes: str) -> dict[str, str]:
        """A connection's settings."""
        return {
            "HOST": "localhost",
            "PORT": str(self.port),
            "USER": "bound",
            "PASS": PASSWORD,
            "DB": "postgres",
            "SSLMODE": "require",
            **changes,
        }


@contextmanager
def openssl_postgres(folder: Path, peers: Peers, processes: Processes) -> Iterator[OpensslPostgres]:
    """Makes a cluster with one role, starts it, and waits until it answers."""
    account, authority, port = database_account(), Authority("Penstock bound CA"), free_port()
    account.own(folder)
    data = folder / "data"
    initdb = [binaries() / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"]
    command = [*account.prefix, *map(str, initdb), "--encoding=UTF8", "--locale=C", "--no-instructions"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (data / "pg_hba.conf").write_text(_HBA, "ascii")
    key = data / "localhost.pem"
    authority.server_context(data, "localhost")
    os.chown(key, account.uid, account.gid)
    key.chmod(0o600)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "ssl": "on",
        "ssl_cert_file": str(key),
        "ssl_key_file": str(key),
    }
    options = [option for pair in settings.items() for option in ("-c", "=".join(pair))]
    processes.start(
        "openssl-postgres",
        [*peers.command("sid", PROGRAM), "-D", data, *options],
        stop=signal.SIGINT,
        prefix=account.prefix,
    )
    until("PostgreSQL answers", lambda: _makes_role(folder, port))
    yield OpensslPostgres(port, authority)


def _makes_role(folder: Path, port: int) -> bool:
    try:
        server = psycopg.connect(
            host=str(folder), port=port, user="postgres", dbname="postgres", autocommit=True
        )
    except psycopg.OperationalError:
        return False
    with server:
        server.execute(f"CREATE ROLE bound LOGIN PASSWORD '{PASSWORD}'")
    return True


def between(server: OpensslPostgres) -> ssl.SSLContext:
    """What somebody in between speaks to the server."""
    context = ssl.create_default_context(cadata=server.authority.pem)
    context.check_hostname = False
    return context
