"""Groups in the store."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Label, Table, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.domain.user import Group
from penstock.store.database import Database
from penstock.store.schema import groups, user_groups


class GroupTable:
    """Implements ``GroupRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str) -> bool:
        """False if it exists."""
        async with self._database.write() as connection:
            if await _exists(connection, name):
                return False
            await connection.execute(insert(groups).values(name=name))
            return True

    async def get(self, name: str) -> Group | None:
        """With the number of its members."""
        return next((group for group in await self.list() if group.name == name), None)

    async def list(self) -> Sequence[Group]:
        """By name."""
        query = (
            select(groups.c.name, func.count(user_groups.c.user_id).label("members"))
            .join(user_groups, user_groups.c.group_name == groups.c.name, isouter=True)
            .group_by(groups.c.name)
            .order_by(groups.c.name)
        )
        async with self._database.read() as connection:
            return [Group(row.name, row.members) for row in await connection.execute(query)]

    async def delete(self, name: str) -> bool:
        """Takes it from users and connections too."""
        async with self._database.write() as connection:
            result = await connection.execute(delete(groups).where(groups.c.name == name))
            return result.rowcount > 0


async def _exists(connection: AsyncConnection, name: str) -> bool:
    return (await connection.execute(select(groups).where(groups.c.name == name))).first() is not None


async def ensure_groups(connection: AsyncConnection, names: Iterable[str]) -> None:
    """Makes the groups that do not exist yet."""
    rows = [{"name": name} for name in sorted(names)]
    if rows:
        await connection.execute(insert_or_ignore(groups).on_conflict_do_nothing(), rows)


def groups_of(table: Table, column: ColumnElement[Any], owner: ColumnElement[Any]) -> Label[Any]:
    """A column ``groups`` with the group names of each ``owner`` as a JSON list: one query, not one a row."""
    query = select(func.json_group_array(table.c.group_name)).where(column == owner).correlate(owner.table)
    return query.scalar_subquery().label("groups")


def group_names(value: str) -> frozenset[str]:
    """Reads what :func:`groups_of` selected."""
    return frozenset(json.loads(value))
