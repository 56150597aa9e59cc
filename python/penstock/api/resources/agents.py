"""``/api/agents``."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from penstock.api.permission import Permission
from penstock.api.route import CurrentIdentity, Endpoint
from penstock.api.shape import Body, Shape
from penstock.services.agents import Agents, AgentState


class NewAgentBody(Body):
    """An agent to make. ``certificate_names``: those of its certificates, by default its own name."""

    name: str = Field(max_length=63)
    certificate_names: list[str] | None = Field(None, min_length=1, max_length=64)


class AgentShape(Shape):
    """An agent and its links."""

    id: str
    name: str
    status: Literal["online", "offline"]
    links: int
    created_at: datetime
    last_seen_at: datetime | None
    certificate_names: list[str]

    @classmethod
    def of(cls, state: AgentState) -> "AgentShape":
        """Its shape."""
        return cls(
            id=state.agent.id,
            name=state.agent.name,
            status="offline" if state.presence is None else "online",
            links=0 if state.presence is None else state.presence.links,
            created_at=state.agent.created_at,
            last_seen_at=state.agent.last_seen_at,
            certificate_names=list(state.agent.certificate_names),
        )


class NewAgentShape(AgentShape):
    """And its key, shown this once."""

    key: str = Field(repr=False)


class AgentResource:
    """Agents are found by identifier or name."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        admin, every, one = Permission.ADMIN, "/api/agents", "/api/agents/{agent}"
        return [
            Endpoint(method="GET", path=every, call=self.list, permission=admin, answers=list[AgentShape]),
            Endpoint(
                method="POST",
                path=every,
                call=self.create,
                permission=admin,
                answers=NewAgentShape,
                status=201,
            ),
            Endpoint(method="GET", path=one, call=self.get, permission=admin, answers=AgentShape),
            Endpoint(method="DELETE", path=one, call=self.delete, permission=admin, status=204),
        ]

    async def list(self) -> list[AgentShape]:
        """All, by name."""
        return [AgentShape.of(state) for state in await self._agents.list()]

    async def create(self, body: NewAgentBody, identity: CurrentIdentity) -> NewAgentShape:
        """The agent with its key."""
        state, key = await self._agents.create(identity, body.name, body.certificate_names)
        return NewAgentShape(**AgentShape.of(state).model_dump(), key=str(key))

    async def get(self, agent: str) -> AgentShape:
        """One."""
        return AgentShape.of(await self._agents.get(agent))

    async def delete(self, agent: str, identity: CurrentIdentity) -> None:
        """Its links drop, and the live sessions that go through it end."""
        await self._agents.delete(identity, agent)
