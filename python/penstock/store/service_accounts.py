"""Service accounts in the store: users without a password, of whom a second table knows more."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from penstock.domain.errors import conflict
from penstock.domain.service_account import ServiceAccount
from penstock.domain.user import Token
from penstock.store.database import Database
from penstock.store.groups import ensure_groups, group_names
from penstock.store.schema import service_accounts, tokens, user_groups, users
from penstock.store.users import USER_GROUPS

_NO_PASSWORD = ""


class ServiceAccountTable:
    """Implements ``ServiceAccountRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, account: ServiceAccount, key: Token, digest: str) -> None:
        """Adds it with its key. Raises ``conflict`` if the name is taken."""
        user = {"id": account.id, "email": account.name, "password_hash": _NO_PASSWORD}
        more = {"id": account.id, "disabled": account.disabled, "expires_at": account.expires_at}
        members = [{"user_id": account.id, "group_name": name} for name in account.groups]
        async with self._database.write() as connection:
            try:
                await connection.execute(insert(users).values(**user, created_at=account.created_at))
            except IntegrityError:
                raise conflict(f"there is a service account {account.name!r} already") from None
            await connection.execute(insert(service_accounts).values(**more))
            await ensure_groups(connection, account.groups)
            if members:
                await connection.execute(insert(user_groups), members)
            await connection.execute(insert(tokens).values(**_key(key, digest)))

    async def get(self, id_or_name: str) -> ServiceAccount | None:
        """By identifier or name."""
        found = await self._select(or_(users.c.id == id_or_name, users.c.email == id_or_name))
        return found[0] if found else None

    async def list(self) -> Sequence[ServiceAccount]:
        """By name."""
        return await self._select(true())

    async def disable(self, account_id: str, disabled: bool) -> bool:
        """False if there is none."""
        change = update(service_accounts).where(service_accounts.c.id == account_id)
        async with self._database.write() as connection:
            return (await connection.execute(change.values(disabled=disabled))).rowcount > 0

    async def rekey(self, key: Token, digest: str) -> None:
        """The account has this key from now on, and no other."""
        async with self._database.write() as connection:
            await connection.execute(delete(tokens).where(tokens.c.user_id == key.user_id))
            await connection.execute(insert(tokens).values(**_key(key, digest)))

    async def delete(self, account_id: str) -> bool:
        """Deletes it with its key; False if there is none."""
        known = select(service_accounts.c.id).where(service_accounts.c.id == account_id)
        async with self._database.write() as connection:
            return (await connection.execute(delete(users).where(users.c.id.in_(known)))).rowcount > 0

    async def _select(self, condition: ColumnElement[bool]) -> Sequence[ServiceAccount]:
        query = (
            select(users, USER_GROUPS, service_accounts.c.disabled, service_accounts.c.expires_at)
            .join_from(users, service_accounts)
            .where(condition)
            .order_by(users.c.email)
        )
        async with self._database.read() as connection:
            return [_account(row) for row in await connection.execute(query)]


def _key(key: Token, digest: str) -> dict[str, Any]:
    return {
        "id": key.id,
        "user_id": key.user_id,
        "digest": digest,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }


def _account(row: Row[Any]) -> ServiceAccount:
    return ServiceAccount(
        row.id, row.email, group_names(row.groups), row.created_at, row.expires_at, row.disabled
    )
