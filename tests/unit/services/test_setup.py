"""The first admin."""

import asyncio

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.services.authentication import Grant

from tests.unit.world import PASSWORD, PEER, World

pytestmark = pytest.mark.anyio


async def test_settings_make_the_first_admin_once(world: World) -> None:
    setup = world.services.setup
    assert await setup.prepare("A@example.com", PASSWORD) is None
    assert await setup.prepare("other@example.com", PASSWORD) is None
    assert [user.email for user in await world.services.users.list()] == ["a@example.com"]
    assert not await setup.required()


async def test_without_settings_a_token_makes_the_first_admin_once(world: World) -> None:
    setup = world.services.setup
    token = await setup.prepare(None, None)
    assert token is not None
    assert await setup.required()
    with pytest.raises(PenstockError) as wrong:
        await setup.complete("pst_guess", "a@example.com", PASSWORD)
    assert wrong.value.code is Code.UNAUTHENTICATED
    grant = await setup.complete(token, "a@example.com", PASSWORD)
    assert grant.identity.admin
    with pytest.raises(PenstockError) as late:
        await setup.complete(token, "b@example.com", PASSWORD)
    assert late.value.code is Code.CONFLICT
    await world.authentication.login("a@example.com", PASSWORD, PEER)


async def test_a_bad_first_admin_leaves_the_token_valid(world: World) -> None:
    token = await world.services.setup.prepare(None, None)
    assert token is not None
    for email, password in (("nonsense", PASSWORD), ("a@example.com", "short")):
        with pytest.raises(PenstockError) as refused:
            await world.services.setup.complete(token, email, password)
        assert refused.value.code is Code.MALFORMED
    await world.services.setup.complete(token, "a@example.com", PASSWORD)


async def test_of_two_at_once_one_wins(world: World) -> None:
    token = await world.services.setup.prepare(None, None)
    assert token is not None
    attempts = [world.services.setup.complete(token, f"{name}@example.com", PASSWORD) for name in "ab"]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sorted(isinstance(result, Grant) for result in results) == [False, True]
    assert len(await world.services.users.list()) == 1


async def test_no_token_works_before_one_was_made(world: World) -> None:
    with pytest.raises(PenstockError, match="wrong"):
        await world.services.setup.complete("", "a@example.com", PASSWORD)
