"""Tokens in the store, by their digests."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, insert, select

from penstock.domain.user import Token, User
from penstock.store.database import Database
from penstock.store.schema import service_accounts, tokens, users
from penstock.store.users import USER_GROUPS, user_of

_TOKEN = (
    tokens.c.id.label("token_id"),
    tokens.c.created_at.label("token_created_at"),
    tokens.c.expires_at.label("token_expires_at"),
)
_ENABLED = tokens.c.user_id.not_in(select(service_accounts.c.id).where(service_accounts.c.disabled))


def living(token_ids: Collection[str]) -> Select[tuple[str]]:
    """Those among them that prove somebody who is not disabled."""
    return select(tokens.c.id).where(tokens.c.id.in_(token_ids), _ENABLED)


class TokenTable:
    """Implements ``TokenRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: Token, digest: str) -> None:
        """Adds it; digests do not repeat."""
        values = {"created_at": token.created_at, "expires_at": token.expires_at}
        async with self._database.write() as connection:
            await connection.execute(
                insert(tokens).values(id=token.id, user_id=token.user_id, digest=digest, **values)
            )

    async def by_digest(self, digest: str) -> tuple[Token, User] | None:
        """The token of this digest, with its user; None while that is disabled."""
        return await self._find(tokens.c.digest == digest)

    async def by_id(self, token_id: str) -> tuple[Token, User] | None:
        """The token, with its user; None while that is disabled."""
        return await self._find(tokens.c.id == token_id)

    async def list_for(self, user_id: str) -> Sequence[Token]:
        """Newest first."""
        query = select(tokens).where(tokens.c.user_id == user_id).order_by(tokens.c.created_at.desc())
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [Token(row.id, row.user_id, row.created_at, row.expires_at) for row in rows]

    async def delete(self, token_id: str) -> bool:
        """False if there is none."""
        async with self._database.write() as connection:
            result = await connection.execute(delete(tokens).where(tokens.c.id == token_id))
            return result.rowcount > 0

    async def prune(self, expired_before: datetime) -> int:
        """Deletes what has expired; how many."""
        async with self._database.write() as connection:
            result = await connection.execute(delete(tokens).where(tokens.c.expires_at < expired_before))
            return result.rowcount

    async def _find(self, condition: ColumnElement[bool]) -> tuple[Token, User] | None:
        query = select(users, USER_GROUPS, *_TOKEN).join_from(tokens, users).where(condition, _ENABLED)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        user = user_of(row)
        return Token(row.token_id, user.id, row.token_created_at, row.token_expires_at), user
