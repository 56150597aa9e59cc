"""Agents in the store, and the digests of their keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from penstock.domain.agent import Agent
from penstock.domain.errors import conflict
from penstock.store.database import Database
from penstock.store.schema import agents


class AgentTable:
    """Implements ``AgentRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, agent: Agent, digest: str) -> None:
        """Raises ``conflict`` if the name is taken."""
        try:
            async with self._database.write() as connection:
                await connection.execute(
                    insert(agents).values(
                        id=agent.id, name=agent.name, digest=digest, created_at=agent.created_at
                    )
                )
        except IntegrityError:
            raise conflict(
                f"there is an agent {agent.name!r} already",
                hint=f"delete it first to get a new key: penstock admin delete agent {agent.name}",
            ) from None

    async def get(self, id_or_name: str) -> Agent | None:
        """By identifier or name."""
        query = select(agents).where(or_(agents.c.id == id_or_name, agents.c.name == id_or_name))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _agent(row)

    async def digest(self, name: str) -> str | None:
        """The digest of the agent's secret."""
        query = select(agents.c.digest).where(agents.c.name == name)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def rekey(self, name: str, digest: str) -> bool:
        """Gives the agent another secret; False if there is no such agent."""
        async with self._database.write() as connection:
            result = await connection.execute(
                update(agents).where(agents.c.name == name).values(digest=digest)
            )
            return result.rowcount > 0

    async def list(self) -> Sequence[Agent]:
        """By name."""
        async with self._database.read() as connection:
            return [_agent(row) for row in await connection.execute(select(agents).order_by(agents.c.name))]

    async def seen(self, names: Sequence[str], at: datetime) -> None:
        """Notes that these agents were there."""
        async with self._database.write() as connection:
            await connection.execute(update(agents).where(agents.c.name.in_(names)).values(last_seen_at=at))

    async def delete(self, agent_id: str) -> bool:
        """False if there is none."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(agents).where(agents.c.id == agent_id))).rowcount > 0


def _agent(row: Row[Any]) -> Agent:
    return Agent(row.id, row.name, row.created_at, row.last_seen_at)
