"""Users and groups in the store."""

import uuid

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.domain.user import Group, User

from tests.unit.world import NOON, World

pytestmark = pytest.mark.anyio


def _user(email: str, *groups: str) -> User:
    return User(str(uuid.uuid4()), email, frozenset(groups), NOON)


async def test_a_user_is_found_by_identifier_and_by_email_in_any_case(world: World) -> None:
    user = _user("me@example.com", "dev", "ops")
    await world.users.add(user, "hash")
    assert await world.users.get(user.id) == await world.users.get("ME@example.com") == user
    assert await world.users.login("Me@example.com") == (user, "hash")
    assert await world.users.get("other@example.com") is None
    assert await world.users.list() == [user]


async def test_an_email_is_taken_once(world: World) -> None:
    await world.users.add(_user("me@example.com", "dev"), "hash")
    with pytest.raises(PenstockError) as refused:
        await world.users.add(_user("me@example.com", "other"), "hash")
    assert refused.value.code is Code.CONFLICT
    assert await world.groups.get("other") is None


async def test_the_first_admin_is_first(world: World) -> None:
    await world.users.add(_user("dev@example.com", "dev"), "hash")
    assert await world.users.add_first(_user("a@example.com", "admin"), "hash", "admin")
    assert not await world.users.add_first(_user("b@example.com", "admin"), "hash", "admin")
    assert await world.users.any_in("admin")


async def test_the_last_admin_stays(world: World) -> None:
    first, second = _user("a@example.com", "admin"), _user("b@example.com", "admin")
    await world.users.add(first, "hash")
    await world.users.add(second, "hash")
    assert await world.users.delete(first.id, keep_one_in="admin")
    assert not await world.users.delete(second.id, keep_one_in="admin")
    assert await world.users.list() == [second]


async def test_a_group_goes_from_users_with_it(world: World) -> None:
    user = _user("me@example.com", "dev", "ops")
    await world.users.add(user, "hash")
    assert not await world.groups.add("dev")
    assert await world.groups.add("empty")
    assert await world.groups.list() == [Group("dev", 1), Group("empty", 0), Group("ops", 1)]
    assert await world.groups.delete("dev")
    assert not await world.groups.delete("dev")
    found = await world.users.get(user.id)
    assert found is not None
    assert found.groups == {"ops"}
