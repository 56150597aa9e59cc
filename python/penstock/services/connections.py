"""Connections."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from penstock.domain.connection import Connection, ConnectionType
from penstock.domain.errors import not_found
from penstock.domain.names import check_name
from penstock.domain.ports import AgentRepository, Clock, ConnectionRepository, Engine
from penstock.domain.session import SessionFilter
from penstock.domain.user import Identity
from penstock.policy.decision import Allow, Context, Subject, Verb
from penstock.policy.engine import PolicyEngine
from penstock.services.endings import Endings
from penstock.services.plans import check_env


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """A connection, and whether it can be reached: an agent of its is online, or it needs none."""

    connection: Connection
    online: bool


@dataclass(frozen=True, slots=True)
class NewConnection:
    """What an admin asks for. No groups: the admin group only."""

    name: str
    type: ConnectionType
    agent: str | None
    env: Mapping[str, str]
    groups: Sequence[str]


class Connections:
    """Admins manage connections; everybody sees those that the policy lets them see."""

    def __init__(
        self,
        connections: ConnectionRepository,
        agents: AgentRepository,
        policy: PolicyEngine,
        clock: Clock,
        engine: Engine,
        endings: Endings,
        *,
        admin_group: str,
    ) -> None:
        self._connections = connections
        self._agents = agents
        self._policy = policy
        self._clock = clock
        self._engine = engine
        self._endings = endings
        self._admin_group = admin_group
        self._log = structlog.get_logger("penstock.services.connections")

    async def list(self, identity: Identity, peer: str) -> Sequence[ConnectionState]:
        """Those that this user may see, by name."""
        visible = [c for c in await self._connections.list() if self._may_see(identity, c, peer)]
        return [self._state(connection) for connection in visible]

    async def get(self, identity: Identity, id_or_name: str, peer: str) -> ConnectionState:
        """Raises ``not-found``, also for one that this user may not see."""
        connection = await self._connections.get(id_or_name)
        if connection is None or not self._may_see(identity, connection, peer):
            raise not_found("connection", id_or_name, hint="list those you may use: penstock list")
        return self._state(connection)

    async def create(self, actor: Identity, new: NewConnection) -> ConnectionState:
        """Raises ``conflict`` if the name is taken, ``malformed`` for an ``env`` that leads nowhere."""
        agent = None if new.agent is None else await self._agents.get(new.agent)
        if new.agent is not None and agent is None:
            hint = f"create it first: penstock admin create agent {new.agent}"
            raise not_found("agent", new.agent, hint=hint)
        connection = Connection(
            id=str(uuid.uuid4()),
            name=check_name("a connection", new.name),
            type=new.type,
            agent=None if agent is None else agent.name,
            groups=frozenset(check_name("a group", group) for group in new.groups or [self._admin_group]),
            created_at=self._clock.now(),
            env=check_env(new.type, new.env),
        )
        await self._connections.add(connection)
        self._log.info("connection created", actor=actor.user.email, connection=connection.name)
        return self._state(connection)

    async def delete(self, actor: Identity, id_or_name: str) -> None:
        """Ends its live sessions too."""
        connection = await self._connections.get(id_or_name)
        if connection is None:
            raise not_found("connection", id_or_name, hint="list them: penstock admin get connections")
        await self._connections.delete(connection.id)
        self._log.info("connection deleted", actor=actor.user.email, connection=connection.name)
        await self._endings.matching(SessionFilter(connection=connection.name), "its connection was deleted")

    def _may_see(self, identity: Identity, connection: Connection, peer: str) -> bool:
        subject = Subject(identity.user.email, identity.user.groups)
        return isinstance(self._policy.decide(subject, connection, Verb.SEE, Context(peer)), Allow)

    def _state(self, connection: Connection) -> ConnectionState:
        online = connection.agent is None or connection.agent in self._engine.agents()
        return ConnectionState(connection, online)
