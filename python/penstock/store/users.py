"""Users in the store."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.domain.errors import conflict
from penstock.domain.user import User
from penstock.store.database import Database
from penstock.store.groups import ensure_groups, group_names, groups_of
from penstock.store.schema import service_accounts, user_groups, users

USER_GROUPS = groups_of(user_groups, user_groups.c.user_id, users.c.id)
"""The column that :func:`user_of` reads the groups from."""

_PEOPLE = users.c.id.not_in(select(service_accounts.c.id))


def user_of(row: Row[Any]) -> User:
    """The user in a row of ``users`` with ``USER_GROUPS``."""
    return User(row.id, row.email, group_names(row.groups), row.created_at)


class UserTable:
    """Implements ``UserRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user: User, password_hash: str) -> None:
        """Raises ``conflict`` if the e-mail is taken."""
        async with self._database.write() as connection:
            await _insert(connection, user, password_hash)

    async def add_first(self, user: User, password_hash: str, group: str) -> bool:
        """Adds ``user`` unless ``group`` has a member; says whether it did."""
        async with self._database.write() as connection:
            if await _members(connection, group) > 0:
                return False
            await _insert(connection, user, password_hash)
            return True

    async def get(self, id_or_email: str) -> User | None:
        """By identifier or e-mail; a service account by its identifier alone."""
        found = await self._find(id_or_email)
        return None if found is None else found[0]

    async def login(self, email: str) -> tuple[User, str] | None:
        """The user with its password hash."""
        return await self._find(email, _PEOPLE)

    async def list(self) -> Sequence[User]:
        """By e-mail."""
        query = select(users, USER_GROUPS).where(_PEOPLE).order_by(users.c.email)
        async with self._database.read() as connection:
            return [user_of(row) for row in await connection.execute(query)]

    async def delete(self, user_id: str, *, keep_one_in: str) -> bool:
        """Deletes the user and its tokens; False if it is the last member of ``keep_one_in``."""
        member = select(user_groups).where(
            user_groups.c.user_id == user_id, user_groups.c.group_name == keep_one_in
        )
        async with self._database.write() as connection:
            is_member = (await connection.execute(member)).first() is not None
            if is_member and await _members(connection, keep_one_in) == 1:
                return False
            await connection.execute(delete(users).where(users.c.id == user_id))
            return True

    async def any_in(self, group: str) -> bool:
        """Whether the group has a member."""
        async with self._database.read() as connection:
            return await _members(connection, group) > 0

    async def _find(
        self, id_or_email: str, condition: ColumnElement[bool] | None = None
    ) -> tuple[User, str] | None:
        named = and_(users.c.email == id_or_email.lower(), _PEOPLE)
        query = select(users, USER_GROUPS).where(or_(users.c.id == id_or_email, named))
        if condition is not None:
            query = query.where(condition)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else (user_of(row), row.password_hash)


async def _insert(connection: AsyncConnection, user: User, password_hash: str) -> None:
    try:
        await connection.execute(
            insert(users).values(
                id=user.id, email=user.email, password_hash=password_hash, created_at=user.created_at
            )
        )
    except IntegrityError:
        raise conflict(f"there is a user {user.email!r} already") from None
    await ensure_groups(connection, user.groups)
    if user.groups:
        await connection.execute(
            insert(user_groups), [{"user_id": user.id, "group_name": name} for name in user.groups]
        )


async def _members(connection: AsyncConnection, group: str) -> int:
    """People: a program cannot lead the way back in."""
    programs = select(service_accounts.c.id)
    query = (
        select(func.count())
        .select_from(user_groups)
        .where(user_groups.c.group_name == group, user_groups.c.user_id.not_in(programs))
    )
    return (await connection.execute(query)).scalar_one()
