"""Taking an agent away: what its sessions left running is cancelled through its links before they go."""

import asyncio
from dataclasses import replace

import pytest
from penstock.domain.agent import AgentPresence

from tests.unit.world import NOON, World

pytestmark = pytest.mark.anyio


async def test_the_links_go_once_they_carry_nothing(world: World) -> None:
    admin = await world.admin()
    await world.services.agents.create(admin, "a")
    world.engine.online["a"] = AgentPresence(links=4, streams=1, since=NOON)
    deleting = asyncio.create_task(world.services.agents.delete(admin, "a"))
    done, _ = await asyncio.wait({deleting}, timeout=0.1)
    assert not done and world.engine.ended_agents == []
    world.engine.online["a"] = replace(world.engine.online["a"], streams=0)
    await deleting
    assert world.engine.ended_agents == ["a"]


async def test_streams_that_stay_do_not_keep_it_for_long(world: World) -> None:
    admin = await world.admin()
    await world.services.agents.create(admin, "a")
    world.engine.online["a"] = AgentPresence(links=4, streams=1, since=NOON)
    await world.services.agents.delete(admin, "a")
    assert world.engine.ended_agents == ["a"]
