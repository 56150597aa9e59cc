"""Managing agents, connections, users, groups and tokens."""

import pytest
from penstock.domain.agent import AgentPresence
from penstock.domain.agent_key import AgentKey
from penstock.domain.connection import ConnectionType
from penstock.domain.errors import Code, PenstockError
from penstock.services.connections import NewConnection
from penstock.services.housekeeping import Housekeeping

from tests.unit.world import NOON, PASSWORD, PEER, PIN, POSTGRES, World

pytestmark = pytest.mark.anyio


async def test_an_agent_key_leads_to_the_advertised_address_with_the_pin(world: World) -> None:
    _, key = await world.services.agents.create(await world.admin(), "db-agent")
    parsed = AgentKey.parse(str(key))
    assert (parsed.url, parsed.name, parsed.ca_pin) == ("grpcs://gw.example:8010", "db-agent", PIN)
    assert parsed.secret.startswith("psa_")


async def test_an_agent_of_this_process_gets_a_new_secret_each_time(world: World) -> None:
    first = await world.services.agents.adopt("local")
    second = await world.services.agents.adopt("local")
    assert first != second
    assert [state.agent.name for state in await world.services.agents.list()] == ["local"]


async def test_presence_comes_from_the_engine_and_is_noted(world: World) -> None:
    await world.services.agents.create(await world.admin(), "a")
    world.engine.online["a"] = AgentPresence(4, 2, NOON)
    assert (await world.services.agents.get("a")).presence == AgentPresence(4, 2, NOON)
    world.clock.turn(minutes=2)
    keeping = _housekeeping(world)
    await keeping.once()
    assert (await world.services.agents.get("a")).agent.last_seen_at == world.clock.now()


async def test_housekeeping_forgets_expired_tokens_and_settles_lost_ends(world: World) -> None:
    admin = await world.admin()
    await world.connection("db")
    lost = await world.begin(admin, "db")
    world.archive.live_path(lost).unlink()
    world.engine.live.clear()
    world.clock.turn(hours=2)
    keeping = _housekeeping(world)
    await keeping.once()
    assert await world.tokens.list_for(admin.user.id) == []
    assert await world.sessions.open_ids() == []


async def test_connections_are_seen_by_their_groups(world: World) -> None:
    me = await world.user("me@example.com", "dev")
    await world.connection("mine", "dev")
    await world.connection("theirs", "ops")
    await world.connection("admins-only")
    assert [state.connection.name for state in await world.services.connections.list(me, PEER)] == ["mine"]
    everything = await world.services.connections.list(await world.admin(), PEER)
    assert [state.connection.name for state in everything] == ["admins-only", "mine", "theirs"]
    with pytest.raises(PenstockError) as refused:
        await world.services.connections.get(me, "theirs", PEER)
    assert refused.value.code is Code.NOT_FOUND


async def test_a_connection_is_online_with_its_agent(world: World) -> None:
    admin = await world.admin()
    await world.services.agents.create(admin, "a")
    await world.connection("through", agent="a")
    await world.connection("direct")
    states = {s.connection.name: s.online for s in await world.services.connections.list(admin, PEER)}
    assert states == {"through": False, "direct": True}
    world.engine.online["a"] = AgentPresence(1, 0, NOON)
    assert (await world.services.connections.get(admin, "through", PEER)).online


async def test_a_connection_needs_an_agent_that_exists(world: World) -> None:
    new = NewConnection("db", ConnectionType.POSTGRES, "nobody", POSTGRES, [])
    with pytest.raises(PenstockError) as refused:
        await world.services.connections.create(await world.admin(), new)
    assert refused.value.code is Code.NOT_FOUND
    assert "create agent nobody" in str(refused.value.hint)


async def test_the_last_admin_and_the_admin_group_stay(world: World) -> None:
    admin = await world.admin()
    with pytest.raises(PenstockError, match="last admin") as refused:
        await world.services.users.delete(admin, "admin@example.com")
    assert refused.value.code is Code.CONFLICT
    with pytest.raises(PenstockError, match="admin group"):
        await world.services.groups.delete(admin, "admin")


async def test_users_revoke_their_own_tokens_and_admins_any(world: World) -> None:
    me, you = await world.user("me@example.com"), await world.user("you@example.com")
    with pytest.raises(PenstockError) as refused:
        await world.services.tokens.revoke(me, you.token.id)
    assert refused.value.code is Code.NOT_FOUND
    await world.services.tokens.revoke(me, me.token.id)
    await world.services.tokens.revoke(await world.admin(), you.token.id)
    assert await world.services.tokens.list(me) == []
    assert world.engine.ended_tokens == [me.token.id, you.token.id]


async def test_what_is_not_there_is_not_found(world: World) -> None:
    admin, services = await world.admin(), world.services
    for call in (
        services.users.get("nothing"),
        services.users.delete(admin, "nothing"),
        services.groups.get("nothing"),
        services.groups.delete(admin, "nothing"),
        services.agents.get("nothing"),
        services.agents.delete(admin, "nothing"),
        services.connections.get(admin, "nothing", PEER),
        services.connections.delete(admin, "nothing"),
        services.tokens.revoke(admin, "nothing"),
        services.sessions.get(admin, "nothing"),
    ):
        with pytest.raises(PenstockError) as refused:
            await call
        assert refused.value.code is Code.NOT_FOUND
        assert refused.value.hint


async def test_a_user_needs_an_email_and_a_password(world: World) -> None:
    admin = await world.admin()
    for email, password in (("nonsense", PASSWORD), ("a@example.com", "short")):
        with pytest.raises(PenstockError) as refused:
            await world.services.users.create(admin, email, password, [])
        assert refused.value.code is Code.MALFORMED


def _housekeeping(world: World) -> Housekeeping:
    return Housekeeping(
        world.services.agents,
        world.tokens,
        world.archive,
        world.recovery,
        world.engine,
        world.clock,
        world.passages,
        keep_passages=0,
    )
