"""Apps over HTTP."""

from typing import Any

import pytest
from penstock.domain.app import AppPresence

from tests.unit.world import World

pytestmark = pytest.mark.anyio
BODY: dict[str, Any] = {"name": "shop", "routes": ["example.com/shop"]}


async def test_an_app_from_birth_to_end(world: World) -> None:
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        made = await client.post("/api/apps", json={**BODY, "identify": True, "access": ["dev"]})
        assert made.status_code == 201
        shape = made.json()
        assert (shape["routes"], shape["workers"]) == (["example.com/shop"], ["shop"])
        assert (shape["identify"], shape["access"], shape["status"]) == (True, ["dev"], "offline")
        assert (shape["selector"], shape["timeout_seconds"]) == ("least-in-flight", 60)
        assert (await client.post("/api/apps", json=BODY)).status_code == 409
        world.engine.serving["shop"] = AppPresence(1, 4, 0)
        online = (await client.get(f"/api/apps/{shape['id']}")).json()
        assert (online["status"], online["links"]) == ("online", 4)
        assert (await client.get("/api/apps")).json() == [online]
        assert (await client.delete("/api/apps/shop")).status_code == 204
        assert (await client.get("/api/apps/shop")).status_code == 404


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"routes": []}, 422),
        ({"groups": ["dev"]}, 422),
        ({"timeout_seconds": 0}, 422),
        ({"routes": ["https://x"]}, 400),
        ({"access": ["dev"]}, 400),
    ],
)
async def test_what_is_wrong_is_refused(world: World, more: dict[str, Any], status: int) -> None:
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        answer = await client.post("/api/apps", json={**BODY, **more})
    assert answer.status_code == status
    assert answer.json()["hint"]


async def test_a_user_sees_only_what_it_may_enter(world: World) -> None:
    await world.app("mine", "dev")
    await world.app("theirs", "ops")
    await world.user("me@example.com", "dev")
    async with world.api(await world.token("me@example.com")) as client:
        assert [app["name"] for app in (await client.get("/api/apps")).json()] == ["mine"]
        assert (await client.get("/api/apps/theirs")).status_code == 404
