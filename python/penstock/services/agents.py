"""Agents."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from penstock.domain.agent import Agent, AgentPresence
from penstock.domain.agent_key import AgentKey
from penstock.domain.errors import not_found
from penstock.domain.names import check_certificate_name, check_name
from penstock.domain.ports import AgentRepository, Clock, Engine, Secrets
from penstock.domain.session import SessionFilter
from penstock.domain.user import Identity
from penstock.services.endings import Endings
from penstock.services.server import ServerInfo

LOOKS = 25
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class AgentState:
    """An agent, and its links if any are up."""

    agent: Agent
    presence: AgentPresence | None


class Agents:
    """Admins manage agents."""

    def __init__(
        self,
        agents: AgentRepository,
        secrets: Secrets,
        clock: Clock,
        engine: Engine,
        endings: Endings,
        server: ServerInfo,
    ) -> None:
        self._agents = agents
        self._secrets = secrets
        self._clock = clock
        self._engine = engine
        self._endings = endings
        self._server = server
        self._log = structlog.get_logger("penstock.services.agents")

    async def list(self) -> Sequence[AgentState]:
        """All, by name."""
        online = self._engine.agents()
        return [AgentState(agent, online.get(agent.name)) for agent in await self._agents.list()]

    async def get(self, id_or_name: str) -> AgentState:
        """Raises ``not-found``."""
        agent = await self._agents.get(id_or_name)
        if agent is None:
            raise not_found("agent", id_or_name, hint="list them: penstock admin get agents")
        return AgentState(agent, self._engine.agents().get(agent.name))

    async def create(
        self, actor: Identity, name: str, certificate_names: Sequence[str] | None = None
    ) -> tuple[AgentState, AgentKey]:
        """The agent and its key, which is not kept.

        It may dial with a certificate too, of one of these names or else of its own. Raises ``conflict`` if a
        name is taken.
        """
        agent, secret = self._new(check_name("an agent", name))
        known = [name] if certificate_names is None else map(check_certificate_name, certificate_names)
        agent = replace(agent, certificate_names=tuple(dict.fromkeys(known)))
        await self._agents.add(agent, self._secrets.digest(secret))
        self._log.info("agent created", actor=actor.user.email, agent=name)
        return AgentState(agent, None), self._key(name, secret)

    async def adopt(self, name: str) -> str:
        """A new secret for the agent of this name, made if need be: for the agent in this very process."""
        agent, secret = self._new(name)
        if not await self._agents.rekey(name, self._secrets.digest(secret)):
            await self._agents.add(agent, self._secrets.digest(secret))
        return secret

    async def delete(self, actor: Identity, id_or_name: str) -> None:
        """Drops its links and ends the live sessions that go through it."""
        agent = (await self.get(id_or_name)).agent
        await self._agents.delete(agent.id)
        self._log.info("agent deleted", actor=actor.user.email, agent=agent.name)
        await self._endings.matching(SessionFilter(agent=agent.name), "its agent was deleted")
        await self._quiet(agent.name)
        self._engine.end_agent(agent.name)

    async def _quiet(self, name: str) -> None:
        """Waits, though not for long, until the agent carries nothing any more.

        What its sessions left running is cancelled through its links. One look may fall between the end of
        a session's stream and the start of its cancel's; two in a row do not.
        """
        quiet = 0
        for _ in range(LOOKS):
            presence = self._engine.agents().get(name)
            quiet = quiet + 1 if presence is None or presence.streams == 0 else 0
            if quiet == 2:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def note_presence(self) -> None:
        """Writes down which agents are there now."""
        online = self._engine.agents()
        if online:
            await self._agents.seen(sorted(online), self._clock.now())

    def _new(self, name: str) -> tuple[Agent, str]:
        agent = Agent(str(uuid.uuid4()), name, self._clock.now(), last_seen_at=None)
        return agent, self._secrets.agent_secret()

    def _key(self, name: str, secret: str) -> AgentKey:
        return AgentKey(self._server.grpc_url, name, secret, self._server.grpc_ca_pin)
