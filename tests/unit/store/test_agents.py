"""Agents in the store."""

from dataclasses import replace
from datetime import timedelta

import pytest
from penstock.domain.agent import Agent
from penstock.domain.errors import Code, PenstockError

from tests.unit.world import NOON, World

pytestmark = pytest.mark.anyio
AGENT = Agent("a1", "db-agent", NOON, None, ("a.example", "b.example"))


async def test_an_agent_from_birth_to_end(world: World) -> None:
    await world.agents.add(AGENT, "digest")
    with pytest.raises(PenstockError) as refused:
        await world.agents.add(replace(AGENT, id="a2"), "digest")
    assert refused.value.code is Code.CONFLICT
    assert await world.agents.get("a1") == await world.agents.get("db-agent") == AGENT
    assert await world.agents.digest("db-agent") == "digest"
    assert await world.agents.named_by(["x", "b.example", "a.example"]) == ["db-agent"]
    assert await world.agents.named_by(["db-agent"]) == await world.agents.named_by([]) == []
    with pytest.raises(PenstockError, match="another agent has one"):
        await world.agents.add(Agent("a2", "other", NOON, None, ("b.example",)), "digest")
    assert await world.agents.get("other") is None
    assert await world.agents.rekey("db-agent", "other")
    assert not await world.agents.rekey("nobody", "other")
    assert await world.agents.digest("db-agent") == "other"
    seen = NOON + timedelta(minutes=1)
    await world.agents.seen(["db-agent", "nobody"], seen)
    assert await world.agents.list() == [replace(AGENT, last_seen_at=seen)]
    assert await world.agents.delete("a1")
    assert not await world.agents.delete("a1")
    assert await world.agents.digest("db-agent") is None
    assert await world.agents.named_by(["a.example"]) == []
