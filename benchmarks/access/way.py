"""A way to the database: where a client connects, and as whom."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psycopg

from benchmarks.measure.way import Way


@dataclass(frozen=True)
class Access(Way):
    """One column of the table. All ways end at the same PostgreSQL, as the same role."""

    port: int
    user: str
    password: str
    database: str

    def arguments(self) -> tuple[str, ...]:
        """psql's and pgbench's, without the database."""
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", self.user)

    def environment(self) -> dict[str, str]:
        """libpq's variables. No way has TLS between client and first hop: that hop is on loopback."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {
            **inherited,
            "PGPASSWORD": self.password,
            "PGSSLMODE": "disable",
            "PGGSSENCMODE": "disable",
            "PGCONNECT_TIMEOUT": "20",
            "PSQLRC": "/dev/null",
        }

    def connection(self) -> psycopg.Connection[tuple[object, ...]]:
        """psycopg's. Raises psycopg.Error."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=self.database,
            sslmode="disable",
            autocommit=True,
            connect_timeout=20,
        )
