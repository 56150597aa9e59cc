"""What is taken away ends within a second."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from penstock.domain.session import Meter, SessionStatus

from tests.unit.world import World

pytestmark = pytest.mark.anyio

TakeAway = Callable[[World], Awaitable[None]]


async def _revoke(world: World) -> None:
    identity = await world.authentication.recheck(await _token_of(world, "me@example.com"))
    await world.services.tokens.revoke(identity, identity.token.id)


async def _delete_user(world: World) -> None:
    await world.services.users.delete(await world.admin(), "me@example.com")


async def _delete_connection(world: World) -> None:
    await world.services.connections.delete(await world.admin(), "db")


async def _delete_agent(world: World) -> None:
    await world.services.agents.delete(await world.admin(), "a")


async def _delete_group(world: World) -> None:
    await world.services.groups.delete(await world.admin(), "dev")


async def _token_of(world: World, email: str) -> str:
    user = await world.services.users.get(email)
    return (await world.tokens.list_for(user.id))[0].id


async def _two_sessions(world: World) -> tuple[str, str]:
    """One that is about to lose its ground, and one of somebody else's that keeps it."""
    admin = await world.admin()
    await world.services.agents.create(admin, "a")
    await world.connection("db", "dev", agent="a")
    await world.connection("other", "ops")
    mine = await world.begin(await world.user("me@example.com", "dev"), "db")
    return mine, await world.begin(await world.user("you@example.com", "ops"), "other")


@pytest.mark.parametrize(
    "take_away", [_revoke, _delete_user, _delete_connection, _delete_agent, _delete_group]
)
async def test_live_sessions_end_with_what_allowed_them(world: World, take_away: TakeAway) -> None:
    mine, other = await _two_sessions(world)
    await take_away(world)
    assert [(session_id, status) for session_id, status, _ in world.engine.killed] == [
        (mine, SessionStatus.KILLED)
    ]
    assert all(reason for _, _, reason in world.engine.killed)
    assert list(world.engine.live) == [other]


async def test_links_end_with_tokens_and_agents(world: World) -> None:
    await _two_sessions(world)
    token = await _token_of(world, "me@example.com")
    await _delete_user(world)
    await _delete_agent(world)
    assert world.engine.ended_tokens == [token]
    assert world.engine.ended_agents == ["a"]


async def test_a_session_that_is_just_beginning_is_ended_too(world: World) -> None:
    mine, _ = await _two_sessions(world)
    meter: Meter = world.engine.live.pop(mine)
    ending = asyncio.create_task(_delete_connection(world))
    await world.engine.missed.wait()
    world.engine.live[mine] = meter
    await ending
    assert [session_id for session_id, _, _ in world.engine.killed] == [mine]


async def test_what_the_store_believes_open_and_is_not_live_holds_nobody_up(world: World) -> None:
    mine, _ = await _two_sessions(world)
    world.engine.live.clear()
    async with asyncio.timeout(10):
        await world.endings.end([mine], "why")
    assert world.engine.killed == []
