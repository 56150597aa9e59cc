"""Apps in the store."""

from dataclasses import replace

import pytest
from penstock.domain.agent import Agent
from penstock.domain.app import App, Route, Selector, SelectorKind
from penstock.domain.errors import Code, PenstockError

from tests.unit.world import NOON, World

pytestmark = pytest.mark.anyio
APP = App(
    id="i1",
    name="shop",
    routes=(Route("example.com", "/shop"), Route("shop.example.com")),
    workers=("shop-1", "spiffe://corp/shop"),
    created_at=NOON,
    identify=True,
    access=frozenset({"dev", "ops"}),
    selector=Selector(SelectorKind.COOKIE, "worker"),
    timeout_seconds=7,
)


async def _refusal(world: World, app: App) -> str:
    with pytest.raises(PenstockError) as refused:
        await world.apps.add(app)
    assert refused.value.code is Code.CONFLICT
    assert refused.value.hint
    return refused.value.message


async def test_an_app_from_birth_to_end(world: World) -> None:
    await world.apps.add(APP)
    assert await world.apps.get("i1") == await world.apps.get("shop") == APP
    bare = App("i2", "wiki", (Route("wiki.example"),), ("wiki",), NOON)
    await world.apps.add(bare)
    assert await world.apps.list() == [APP, bare]
    names = ["x", "shop-1", "wiki"]
    assert sorted(await world.apps.served_by(names)) == [("shop-1", "shop"), ("wiki", "wiki")]
    assert await world.apps.delete("i1")
    assert not await world.apps.delete("i1")
    assert await world.apps.served_by(["shop-1"]) == []
    await world.apps.add(APP)
    assert {group.name for group in await world.groups.list()} == {"dev", "ops"}


async def test_names_routes_and_workers_are_taken_once(world: World) -> None:
    await world.apps.add(APP)
    other = App("i2", "wiki", (Route("example.com", "/wiki"),), ("wiki",), NOON)
    assert "an app 'shop' already" in await _refusal(world, replace(other, name="shop"))
    taken = replace(other, routes=(*other.routes, Route("example.com", "/shop")))
    assert await _refusal(world, taken) == "the route example.com/shop is of the app 'shop'"
    assert "'shop-1' is of another app" in await _refusal(world, replace(other, workers=("w", "shop-1")))
    assert await world.apps.list() == [APP]
    await world.apps.add(other)


async def test_a_certificate_is_an_agents_or_a_workers(world: World) -> None:
    await world.agents.add(Agent("a1", "office", NOON, None, ("office", "edge")), "digest")
    assert "'edge' is of an agent" in await _refusal(world, replace(APP, workers=("edge",)))
    await world.apps.add(APP)
    with pytest.raises(PenstockError, match="'shop-1' is of an app's worker") as refused:
        await world.agents.add(Agent("a2", "other", NOON, None, ("shop-1",)), "digest")
    assert refused.value.code is Code.CONFLICT
    assert await world.agents.get("other") is None


async def test_an_app_is_not_opened_by_the_end_of_its_last_group(world: World) -> None:
    await world.apps.add(APP)
    for name in sorted(APP.access):
        assert await world.groups.delete(name)
    assert await world.apps.get("shop") == APP
