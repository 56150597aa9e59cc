"""Agents in the store, and the digests of their keys."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from penstock.domain.agent import Agent
from penstock.domain.errors import conflict
from penstock.store.database import Database
from penstock.store.schema import agent_certificate_names as names
from penstock.store.schema import agents, app_workers

_NAMES = (
    select(func.json_group_array(names.c.name))
    .where(names.c.agent_id == agents.c.id)
    .correlate(agents)
    .scalar_subquery()
    .label("certificate_names")
)


class AgentTable:
    """Implements ``AgentRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, agent: Agent, digest: str) -> None:
        """Raises ``conflict`` if the name is taken, or one of its certificates', by a worker too."""
        row = {"id": agent.id, "name": agent.name, "digest": digest, "created_at": agent.created_at}
        certificates = [{"name": name, "agent_id": agent.id} for name in agent.certificate_names]
        async with self._database.write() as connection:
            try:
                await connection.execute(insert(agents).values(row))
            except IntegrityError:
                raise conflict(
                    f"there is an agent {agent.name!r} already",
                    hint=f"delete it first to get a new key: penstock admin delete agent {agent.name}",
                ) from None
            try:
                if certificates:
                    await connection.execute(insert(names), certificates)
            except IntegrityError:
                raise conflict(
                    f"another agent has one of the certificate names {', '.join(agent.certificate_names)}",
                    hint="choose others: --certificate-name NAME",
                ) from None
            shared = select(app_workers.c.name).where(app_workers.c.name.in_(agent.certificate_names))
            if (name := (await connection.execute(shared)).scalar()) is not None:
                raise conflict(
                    f"a certificate named {name!r} is of an app's worker",
                    hint="choose another: --certificate-name NAME; list the apps: penstock admin get apps",
                )

    async def get(self, id_or_name: str) -> Agent | None:
        """By identifier or name."""
        which = or_(agents.c.id == id_or_name, agents.c.name == id_or_name)
        query = select(agents, _NAMES).where(which)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _agent(row)

    async def named_by(self, certificate_names: Sequence[str]) -> Sequence[str]:
        """The names of the agents whose certificates may have one of these names."""
        query = select(agents.c.name).join(names).where(names.c.name.in_(certificate_names)).distinct()
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

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
            rows = await connection.execute(select(agents, _NAMES).order_by(agents.c.name))
            return [_agent(row) for row in rows]

    async def seen(self, names: Sequence[str], at: datetime) -> None:
        """Notes that these agents were there."""
        async with self._database.write() as connection:
            await connection.execute(update(agents).where(agents.c.name.in_(names)).values(last_seen_at=at))

    async def delete(self, agent_id: str) -> bool:
        """False if there is none."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(agents).where(agents.c.id == agent_id))).rowcount > 0


def _agent(row: Row[Any]) -> Agent:
    certificates = tuple(sorted(json.loads(row.certificate_names)))
    return Agent(row.id, row.name, row.created_at, row.last_seen_at, certificates)
