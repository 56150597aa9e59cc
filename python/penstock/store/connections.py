"""Connections in the store. Their ``env`` is sealed as one JSON text."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select
from sqlalchemy.exc import IntegrityError

from penstock.domain.connection import Connection, ConnectionType
from penstock.domain.errors import conflict
from penstock.domain.ports import SecretBox
from penstock.store.database import Database
from penstock.store.groups import ensure_groups, group_names, groups_of
from penstock.store.schema import connection_groups, connections

_GROUPS = groups_of(connection_groups, connection_groups.c.connection_id, connections.c.id)


class ConnectionTable:
    """Implements ``ConnectionRepository``."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box

    async def add(self, connection: Connection) -> None:
        """Raises ``conflict`` if the name is taken."""
        row = {
            "id": connection.id,
            "name": connection.name,
            "type": connection.type.value,
            "agent": connection.agent,
            "env": self._box.seal(json.dumps(dict(connection.env))),
            "created_at": connection.created_at,
        }
        members = [{"connection_id": connection.id, "group_name": name} for name in connection.groups]
        try:
            async with self._database.write() as transaction:
                await transaction.execute(insert(connections).values(row))
                await ensure_groups(transaction, connection.groups)
                if members:
                    await transaction.execute(insert(connection_groups), members)
        except IntegrityError:
            raise conflict(
                f"there is a connection {connection.name!r} already",
                hint=f"delete it first: penstock admin delete connection {connection.name}",
            ) from None

    async def get(self, id_or_name: str) -> Connection | None:
        """By identifier or name."""
        which = or_(connections.c.id == id_or_name, connections.c.name == id_or_name)
        async with self._database.read() as transaction:
            row = (await transaction.execute(select(connections, _GROUPS).where(which))).first()
        return None if row is None else self._connection(row)

    async def list(self) -> Sequence[Connection]:
        """By name."""
        query = select(connections, _GROUPS).order_by(connections.c.name)
        async with self._database.read() as transaction:
            return [self._connection(row) for row in await transaction.execute(query)]

    async def delete(self, connection_id: str) -> bool:
        """False if there is none."""
        async with self._database.write() as transaction:
            result = await transaction.execute(delete(connections).where(connections.c.id == connection_id))
            return result.rowcount > 0

    def _connection(self, row: Row[Any]) -> Connection:
        return Connection(
            id=row.id,
            name=row.name,
            type=ConnectionType(row.type),
            agent=row.agent,
            groups=group_names(row.groups),
            created_at=row.created_at,
            env=json.loads(self._box.open(row.env)),
        )
