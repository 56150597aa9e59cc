"""Who may enter an app."""

import pytest
from penstock.domain.app import Visitor
from penstock.domain.errors import Code, PenstockError
from penstock.domain.question import Enter

from tests.unit.world import PEER, World

pytestmark = pytest.mark.anyio


async def _refusal(world: World, app: str, token: str) -> PenstockError:
    with pytest.raises(PenstockError) as refused:
        await world.gate.answer(Enter(app, token, PEER))
    assert refused.value.hint
    return refused.value


async def test_who_may_enter_is_a_visitor_until_the_token_ends(world: World) -> None:
    await world.app("shop", "dev")
    user = (await world.user("me@example.com", "dev")).user
    grant = await world.authentication.login("me@example.com", "correct horse", PEER)
    visitor = await world.gate.answer(Enter("shop", grant.secret, PEER))
    token = grant.identity.token
    assert visitor == Visitor(user.id, "me@example.com", frozenset({"dev"}), token.id, token.expires_at)
    world.clock.turn(hours=2)
    assert (await _refusal(world, "shop", grant.secret)).code is Code.UNAUTHENTICATED


async def test_who_may_not_is_told_the_rule(world: World) -> None:
    await world.app("shop", "ops")
    await world.user("me@example.com", "dev")
    refused = await _refusal(world, "shop", await world.token("me@example.com"))
    assert refused.code is Code.FORBIDDEN
    assert "rule 'access' wants one of the groups admin, ops" in refused.message


async def test_an_unknown_token_or_app_is_refused(world: World) -> None:
    await world.admin()
    await world.app("shop")
    assert (await _refusal(world, "shop", "pst_x")).code is Code.UNAUTHENTICATED
    gone = await _refusal(world, "gone", await world.token("admin@example.com"))
    assert gone.code is Code.NOT_FOUND


async def test_a_group_that_goes_takes_its_visitors_along(world: World) -> None:
    await world.app("shop", "dev")
    await world.user("me@example.com", "dev")
    token = await world.token("me@example.com")
    before = world.engine.forgotten
    await world.services.groups.delete(await world.admin(), "dev")
    assert world.engine.forgotten == before + 1
    assert (await _refusal(world, "shop", token)).code is Code.FORBIDDEN


async def test_a_question_does_not_show_its_token() -> None:
    assert "pst_x" not in repr(Enter("shop", "pst_x", PEER))
