"""Native PostgreSQL clients: the programs of the wheel."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from penstock.demo.postgres import binaries

from tests.e2e.stack.cli import Result

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_SECONDS = 120


def program(name: str) -> Path:
    """The path of psql, pgbench and the others."""
    return binaries() / name


def client_environment(application: str) -> dict[str, str]:
    """Without the developer's own PG variables and start-up files."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**inherited, "PGAPPNAME": application, "PGCONNECT_TIMEOUT": "30", "PSQLRC": "/dev/null"}


def run(
    command: Sequence[str | Path],
    application: str,
    stdin: str | bytes = "",
    variables: Mapping[str, str] | None = None,
) -> Result:
    """Runs a client to its end."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**client_environment(application), **(variables or {})},
        input=stdin if isinstance(stdin, bytes) else stdin.encode(),
        capture_output=True,
        check=False,
        timeout=_SECONDS,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def target(port: int, host: str = "127.0.0.1") -> tuple[str, ...]:
    """psql's and pgbench's arguments for a forwarded port: a user and a database that do not exist."""
    return ("-h", host, "-p", str(port), "-U", "somebody")


def psql(
    port: int,
    application: str,
    *arguments: str,
    host: str = "127.0.0.1",
    stdin: str | bytes = "",
    variables: Mapping[str, str] | None = None,
) -> Result:
    """psql through a forwarded port."""
    command = [str(program("psql")), *target(port, host), "-d", "anything", "-X", *arguments]
    return run(command, application, stdin, variables)


def connect(port: int, application: str, *, autocommit: bool = True) -> Connection:
    """psycopg through a forwarded port, as a user and on a database that do not exist."""
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user="somebody",
        dbname="anything",
        application_name=application,
        autocommit=autocommit,
        connect_timeout=20,
    )
