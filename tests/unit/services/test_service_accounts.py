"""Programs that prove who they are by a key."""

from datetime import timedelta

import pytest
from penstock.domain.app import Visitor
from penstock.domain.errors import Code, PenstockError
from penstock.domain.principal import TokenCredential, UserPrincipal
from penstock.domain.question import Call
from penstock.domain.service_account import ServiceAccount
from penstock.domain.user import Identity

from tests.unit.world import NOON, PASSWORD, PEER, World

pytestmark = pytest.mark.anyio


async def made(world: World, *groups: str, hours: int | None = None) -> tuple[ServiceAccount, str]:
    until = None if hours is None else NOON + timedelta(hours=hours)
    return await world.services.service_accounts.create(await world.admin(), "ci", groups, until)


async def proven(world: World, key: str) -> Identity:
    return await world.authentication.identify(key)


async def refused(world: World, key: str) -> bool:
    with pytest.raises(PenstockError) as caught:
        await proven(world, key)
    return caught.value.code is Code.UNAUTHENTICATED


async def test_its_key_proves_it_as_a_token_does(world: World) -> None:
    account, key = await made(world, "build")
    assert key.startswith("pss_")
    principal = await world.gate.authenticate(TokenCredential(key), PEER)
    assert isinstance(principal, UserPrincipal)
    assert (principal.id, principal.name) == (account.id, "ci")
    identity = await proven(world, key)
    assert identity.user.groups == {"build"} and not identity.admin


async def test_it_opens_sessions_of_its_groups_connections(world: World) -> None:
    _, key = await made(world, "build")
    await world.connection("artifacts", "build")
    await world.connection("payroll", "finance")
    identity = await proven(world, key)
    session = await world.begin(identity, "artifacts")
    row = await world.sessions.get(session)
    assert row is not None and row.principal == "ci"
    await world.endings.undo_denied()
    assert session in world.engine.live
    with pytest.raises(PenstockError, match="may not use 'payroll'"):
        await world.begin(identity, "payroll")


async def test_it_is_no_person(world: World) -> None:
    await made(world, "admin")
    people = [user.email for user in await world.services.users.list()]
    assert people == ["admin@example.com"]
    with pytest.raises(PenstockError, match="is wrong"):
        await world.authentication.login("ci", "", PEER)
    with pytest.raises(PenstockError, match="there is no user"):
        await world.services.users.get("ci")
    with pytest.raises(PenstockError, match="last admin"):
        await world.services.users.delete(await world.admin(), "admin@example.com")


async def test_its_name_is_taken_once_and_is_no_address(world: World) -> None:
    admin = await world.admin()
    await made(world)
    for name, code in (("ci", Code.CONFLICT), ("a@example.com", Code.MALFORMED), ("a:b", Code.MALFORMED)):
        with pytest.raises(PenstockError) as caught:
            await world.services.service_accounts.create(admin, name, [], None)
        assert caught.value.code is code


async def test_it_ends_when_its_time_is_over(world: World) -> None:
    account, key = await made(world, hours=2)
    world.clock.turn(hours=1)
    await proven(world, key)
    assert not world.services.service_accounts.expired(account)
    world.clock.turn(hours=1)
    assert await refused(world, key)
    assert world.services.service_accounts.expired(account)
    with pytest.raises(PenstockError, match="expired already"):
        await world.services.service_accounts.create(await world.admin(), "late", [], NOON)


async def test_without_an_end_its_key_outlives_every_login(world: World) -> None:
    _, key = await made(world)
    world.clock.turn(days=3650)
    await proven(world, key)


async def test_a_disabled_one_proves_nothing_and_loses_its_sessions(world: World) -> None:
    admin = await world.admin()
    _, key = await made(world, "build")
    await world.connection("artifacts", "build")
    session = await world.begin(await proven(world, key), "artifacts")
    token = (await proven(world, key)).token.id
    changed = await world.services.service_accounts.disable(admin, "ci", True)
    assert changed.disabled and await refused(world, key)
    assert world.engine.ended_tokens == [token]
    assert [killed[0] for killed in world.engine.killed] == [session]
    await world.services.service_accounts.disable(admin, "ci", False)
    assert (await proven(world, key)).user.email == "ci"


async def test_a_new_key_replaces_the_old(world: World) -> None:
    account, old = await made(world, "build")
    token = (await proven(world, old)).token.id
    _, new = await world.services.service_accounts.rekey(await world.admin(), "ci")
    assert await refused(world, old)
    assert world.engine.ended_tokens == [token]
    assert (await proven(world, new)).user.id == account.id


async def test_a_deleted_one_is_gone(world: World) -> None:
    _, key = await made(world, "build")
    await world.services.service_accounts.delete(await world.admin(), "ci")
    assert await refused(world, key)
    assert await world.services.service_accounts.list() == []
    with pytest.raises(PenstockError) as caught:
        await world.services.service_accounts.get("ci")
    assert caught.value.code is Code.NOT_FOUND and caught.value.hint


async def test_a_user_is_no_service_account(world: World) -> None:
    me = await world.user("me@example.com")
    for name in (me.user.id, "me@example.com"):
        with pytest.raises(PenstockError, match="there is no service account"):
            await world.services.service_accounts.delete(await world.admin(), name)
    assert (await world.authentication.login("me@example.com", PASSWORD, PEER)).identity.user.id == me.user.id


async def test_it_calls_the_forward_proxy_by_its_name_and_key(world: World) -> None:
    account, key = await made(world, "build", hours=2)
    for name in ("ci", "CI", None):
        caller = await world.gate.answer(Call(name, key, PEER))
        assert isinstance(caller, Visitor)
        assert (caller.name, set(caller.groups)) == ("ci", {"build"})
        assert caller.expires_at == account.expires_at
    with pytest.raises(PenstockError, match="the key is another's"):
        await world.gate.answer(Call("other", key, PEER))
    with pytest.raises(PenstockError, match="unknown"):
        await world.gate.answer(Call("ci", "pss_wrong", PEER))
