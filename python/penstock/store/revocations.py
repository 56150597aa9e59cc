"""Revoked certificates in the store."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from penstock.domain.certificate import RevokedCertificate
from penstock.store.database import Database
from penstock.store.schema import revoked_certificates as table


class RevocationTable:
    """Implements ``RevocationRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, revoked: RevokedCertificate) -> bool:
        """False if it was revoked before; that is kept as it is."""
        statement = insert_or_ignore(table).values(
            fingerprint=revoked.fingerprint,
            name=revoked.name,
            reason=revoked.reason,
            revoked_at=revoked.revoked_at,
            revoked_by=revoked.revoked_by,
        )
        async with self._database.write() as connection:
            return (await connection.execute(statement.on_conflict_do_nothing())).rowcount > 0

    async def get(self, fingerprint: str) -> RevokedCertificate | None:
        """By fingerprint."""
        query = select(table).where(table.c.fingerprint == fingerprint)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _revoked(row)

    async def list(self) -> Sequence[RevokedCertificate]:
        """Newest first."""
        query = select(table).order_by(table.c.revoked_at.desc(), table.c.fingerprint)
        async with self._database.read() as connection:
            return [_revoked(row) for row in await connection.execute(query)]

    async def delete(self, fingerprint: str) -> bool:
        """False if it was not revoked."""
        statement = delete(table).where(table.c.fingerprint == fingerprint)
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount > 0


def _revoked(row: Row[Any]) -> RevokedCertificate:
    return RevokedCertificate(row.fingerprint, row.name, row.reason, row.revoked_at, row.revoked_by)
