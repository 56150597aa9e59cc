"""Tokens in the store."""

from dataclasses import replace
from datetime import timedelta

import pytest
from penstock.domain.user import Token, User

from tests.unit.world import NOON, World

pytestmark = pytest.mark.anyio
USER = User("u1", "me@example.com", frozenset({"dev"}), NOON)
TOKEN = Token("t1", "u1", NOON, NOON + timedelta(hours=1))


async def test_a_token_leads_to_its_user_until_it_is_deleted(world: World) -> None:
    await world.users.add(USER, "hash")
    await world.tokens.add(TOKEN, "digest")
    assert await world.tokens.by_digest("digest") == await world.tokens.by_id("t1") == (TOKEN, USER)
    assert await world.tokens.by_digest("another") is None
    assert await world.tokens.delete("t1")
    assert not await world.tokens.delete("t1")
    assert await world.tokens.by_id("t1") is None


async def test_tokens_go_with_their_user_and_with_time(world: World) -> None:
    await world.users.add(USER, "hash")
    newer = replace(TOKEN, id="t2", created_at=NOON + timedelta(1), expires_at=NOON + timedelta(2))
    await world.tokens.add(TOKEN, "one")
    await world.tokens.add(newer, "two")
    assert await world.tokens.list_for("u1") == [newer, TOKEN]
    assert await world.tokens.prune(NOON + timedelta(1)) == 1
    assert await world.tokens.list_for("u1") == [newer]
    await world.users.delete("u1", keep_one_in="admin")
    assert await world.tokens.by_id("t2") is None
