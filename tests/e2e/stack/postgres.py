"""A real PostgreSQL with a role for every way to log in, on TCP, on a unix socket and behind TLS."""

from __future__ import annotations

import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from penstock.demo.account import database_account
from penstock.demo.postgres import binaries
from psycopg import sql

from tests.e2e.stack.certificates import Authority
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.tls_front import TlsFront
from tests.e2e.stack.waiting import until

Direct: TypeAlias = psycopg.Connection[tuple[Any, ...]]

DATABASE = "shop"

# What comes over TLS arrives at the unix socket, by way of the front.
_HBA = """
local all       postgres                trust
local all       scram,sealed            scram-sha-256
local all       md5                     md5
local all       password                password
local all       trust                   trust
host  all       scram     127.0.0.1/32  scram-sha-256
host  all       md5       127.0.0.1/32  md5
host  all       password  127.0.0.1/32  password
host  all       trust     127.0.0.1/32  trust
host  all       sealed    127.0.0.1/32  reject
host  all       banned    127.0.0.1/32  reject
"""

ROLES = ("scram", "md5", "password", "trust", "sealed", "banned")


@dataclass
class Postgres:
    """One cluster, and where its ports are."""

    folder: Path
    port: int = field(default_factory=free_port)
    passwords: Mapping[str, str] = field(
        default_factory=lambda: {role: f"{role}-{secrets.token_hex(12)}" for role in ROLES}
    )

    @property
    def socket_folder(self) -> Path:
        """Where the unix socket is."""
        return self.folder / "run"

    @property
    def socket(self) -> Path:
        """The unix socket."""
        return self.socket_folder / f".s.PGSQL.{self.port}"

    def env(self, role: str = "scram", **changes: str) -> dict[str, str]:
        """A connection's settings for a role over TCP; `changes` replace single ones."""
        return {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "USER": role,
            "PASS": self.passwords[role],
            "DB": DATABASE,
            "SSLMODE": "disable",
            **changes,
        }

    def direct(self, user: str = "postgres", **options: Any) -> Direct:
        """A connection that goes around the gateway."""
        return psycopg.connect(
            host=str(self.socket_folder),
            port=self.port,
            user=user,
            password=self.passwords.get(user),
            dbname=DATABASE,
            autocommit=True,
            **options,
        )

    def direct_arguments(self) -> tuple[str, ...]:
        """psql's, to go around the gateway as the role `scram`."""
        return ("-h", str(self.socket_folder), "-p", str(self.port), "-U", "scram", "-d", DATABASE)

    @contextmanager
    def running(self, processes: Processes) -> Iterator[Process]:
        """Makes the cluster, starts it, and waits until it answers."""
        account = database_account()
        account.own(self.folder)
        account.own(self.socket_folder)
        data = self.folder / "data"
        initdb = (binaries() / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync")
        command = [*account.prefix, *map(str, initdb), "--encoding=UTF8", "--locale=C", "--no-instructions"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        (data / "pg_hba.conf").write_text(_HBA, "ascii")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_folder),
            "fsync": "off",
            "shared_buffers": "64MB",
            "md5_password_warnings": "off",
        }
        options = [option for pair in settings.items() for option in ("-c", "=".join(pair))]
        process = processes.start(
            "postgres",
            [binaries() / "postgres", "-D", data, *options],
            stop=signal.SIGINT,
            prefix=account.prefix,
        )
        until("PostgreSQL answers", self.answers)
        self._make_roles()
        yield process

    def answers(self) -> bool:
        """True if it lets a superuser in."""
        try:
            self._as_superuser().close()
        except psycopg.OperationalError:
            return False
        return True

    def _as_superuser(self) -> Direct:
        return psycopg.connect(
            host=str(self.socket_folder), port=self.port, user="postgres", dbname="postgres", autocommit=True
        )

    def _make_roles(self) -> None:
        with self._as_superuser() as server:
            for role, password in self.passwords.items():
                encryption = "md5" if role == "md5" else "scram-sha-256"
                server.execute(f"SET password_encryption = '{encryption}'".encode())
                create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                server.execute(create.format(sql.Identifier(role), sql.Literal(password)))
            server.execute(sql.SQL("CREATE DATABASE {} OWNER scram").format(sql.Identifier(DATABASE)))


@dataclass(frozen=True)
class SealedPostgres:
    """The same server behind TLS: once with a certificate for this machine, once with one for another."""

    authority: Authority
    port: int
    misnamed_port: int


@contextmanager
def behind_tls(server: Postgres, folder: Path) -> Iterator[SealedPostgres]:
    """Starts the fronts."""
    authority = Authority("Penstock test database CA")
    fronts = [
        TlsFront(authority.server_context(folder, *names), server.socket, server.port)
        for names in (("localhost", "127.0.0.1"), ("db.internal",))
    ]
    with fronts[0].running() as right, fronts[1].running() as misnamed:
        yield SealedPostgres(authority, right.port, misnamed.port)
