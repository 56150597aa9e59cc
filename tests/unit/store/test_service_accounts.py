"""Service accounts in the store."""

import uuid

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.domain.service_account import ServiceAccount
from penstock.domain.user import Token
from penstock.store.service_accounts import ServiceAccountTable

from tests.unit.world import NOON, World

pytestmark = pytest.mark.anyio


def _account(name: str, *groups: str) -> tuple[ServiceAccount, Token]:
    account = ServiceAccount(str(uuid.uuid4()), name, frozenset(groups), NOON, NOON)
    return account, Token(str(uuid.uuid4()), account.id, NOON, NOON)


async def test_it_is_found_by_identifier_and_name(world: World) -> None:
    table = ServiceAccountTable(world.database)
    account, key = _account("ci", "build")
    await table.add(account, key, "digest")
    assert await table.get(account.id) == await table.get("ci") == account
    assert await table.list() == [account]
    assert await table.get("other") is None
    assert [group.name for group in await world.groups.list()] == ["build"]


async def test_a_taken_name_leaves_nothing_behind(world: World) -> None:
    table = ServiceAccountTable(world.database)
    await table.add(*_account("ci"), "one")
    again, key = _account("ci", "new-group")
    with pytest.raises(PenstockError) as refused:
        await table.add(again, key, "two")
    assert refused.value.code is Code.CONFLICT
    assert await world.groups.list() == [] and await world.tokens.by_id(key.id) is None


async def test_a_new_key_takes_the_place_of_the_old(world: World) -> None:
    table = ServiceAccountTable(world.database)
    account, old = _account("ci")
    await table.add(account, old, "old")
    new = Token(str(uuid.uuid4()), account.id, NOON, NOON)
    await table.rekey(new, "new")
    assert await world.tokens.by_digest("old") is None
    found = await world.tokens.by_digest("new")
    assert found is not None and found[0] == new


async def test_a_disabled_one_has_no_token(world: World) -> None:
    table = ServiceAccountTable(world.database)
    account, key = _account("ci")
    await table.add(account, key, "digest")
    assert await table.disable(account.id, True) and not await table.disable("nothing", True)
    assert await world.tokens.by_digest("digest") is None and await world.tokens.by_id(key.id) is None
    assert await world.tokens.list_for(account.id) == [key]


async def test_deleting_takes_all_of_it_and_no_person(world: World) -> None:
    table = ServiceAccountTable(world.database)
    account, key = _account("ci", "build")
    await table.add(account, key, "digest")
    me = await world.user("me@example.com", "build")
    assert await table.delete(account.id) and not await table.delete(account.id)
    assert not await table.delete(me.user.id)
    assert await world.tokens.list_for(account.id) == []
    assert await world.users.get(me.user.id) is not None
