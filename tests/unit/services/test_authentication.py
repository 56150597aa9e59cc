"""Logging in, and proving it afterwards."""

import sqlite3

import pytest
from penstock.domain.errors import Code, PenstockError

from tests.unit.world import PASSWORD, PEER, World

pytestmark = pytest.mark.anyio


async def test_a_token_proves_its_user(world: World) -> None:
    await world.user("me@example.com", "dev")
    grant = await world.authentication.login("Me@Example.com", PASSWORD, PEER)
    identity = await world.authentication.identify(grant.secret)
    assert identity == grant.identity
    assert (identity.user.email, identity.admin) == ("me@example.com", False)
    assert (await world.admin()).admin
    assert grant.secret not in repr(grant)


async def test_only_the_digest_is_kept(world: World) -> None:
    await world.admin()
    grant = await world.authentication.login("admin@example.com", PASSWORD, PEER)
    with sqlite3.connect(world.folder / "penstock.db") as plain:
        dump = "\n".join(plain.iterdump())
    plain.close()
    assert grant.secret not in dump
    assert PASSWORD not in dump


@pytest.mark.parametrize(
    ("email", "password"), [("admin@example.com", "wrong"), ("nobody@example.com", PASSWORD)]
)
async def test_a_refusal_does_not_tell_what_was_wrong(world: World, email: str, password: str) -> None:
    await world.admin()
    with pytest.raises(PenstockError) as refused:
        await world.authentication.login(email, password, PEER)
    assert refused.value.code is Code.UNAUTHENTICATED
    assert refused.value.message == "e-mail or password is wrong"
    assert refused.value.hint


async def test_guessing_is_stopped_even_for_the_right_password(world: World) -> None:
    await world.admin()
    for _ in range(10):
        with pytest.raises(PenstockError, match="is wrong"):
            await world.authentication.login("admin@example.com", "wrong", PEER)
    with pytest.raises(PenstockError) as refused:
        await world.authentication.login("admin@example.com", PASSWORD, PEER)
    assert refused.value.code is Code.LIMITED
    world.clock.turn(minutes=5)
    await world.authentication.login("admin@example.com", PASSWORD, PEER)


async def test_a_token_expires(world: World) -> None:
    await world.admin()
    grant = await world.authentication.login("admin@example.com", PASSWORD, PEER)
    world.clock.turn(hours=1)
    with pytest.raises(PenstockError, match="expired") as refused:
        await world.authentication.identify(grant.secret)
    assert refused.value.code is Code.UNAUTHENTICATED
    with pytest.raises(PenstockError, match="expired"):
        await world.authentication.recheck(grant.identity.token.id)


async def test_an_unknown_token_proves_nobody(world: World) -> None:
    with pytest.raises(PenstockError, match="unknown or was revoked"):
        await world.authentication.identify("pst_x")
