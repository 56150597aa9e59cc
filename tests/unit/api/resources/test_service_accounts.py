"""Service accounts over HTTP."""

from typing import Any

import pytest

from tests.unit.world import World

pytestmark = pytest.mark.anyio
BODY: dict[str, Any] = {"name": "ci", "groups": ["build"], "expires_at": "2030-01-01T00:00:00Z"}
PATH = "/api/service-accounts"


async def test_a_service_account_from_birth_to_end(world: World) -> None:
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        made = await client.post(PATH, json=BODY)
        assert made.status_code == 201
        shape = made.json()
        key = shape.pop("key")
        assert (shape["name"], shape["groups"], shape["status"]) == ("ci", ["build"], "enabled")
        assert shape["expires_at"] == "2030-01-01T00:00:00Z"
        assert (await client.post(PATH, json=BODY)).status_code == 409
        assert (await client.get(PATH)).json() == [shape]
        async with world.api(key) as program:
            assert (await program.get("/api/userinfo")).json()["email"] == "ci"
        again = (await client.post(f"{PATH}/ci/key")).json()["key"]
        changed = await client.patch(f"{PATH}/ci", json={"disabled": True})
        assert changed.json() == {**shape, "status": "disabled"}
        for gone in (key, again):
            async with world.api(gone) as program:
                assert (await program.get("/api/userinfo")).status_code == 401
        world.clock.turn(days=3650)
    async with world.api(await world.token("admin@example.com")) as client:
        await client.patch(f"{PATH}/ci", json={"disabled": False})
        assert (await client.get(f"{PATH}/{shape['id']}")).json()["status"] == "expired"
        assert (await client.delete(f"{PATH}/ci")).status_code == 204
        assert (await client.get(f"{PATH}/ci")).status_code == 404


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, 400),
        ({"expires_at": "2030-01-01T00:00:00"}, 422),
        ({"name": "a@example.com"}, 400),
        ({"key": "mine"}, 422),
    ],
)
async def test_what_is_wrong_is_refused(world: World, more: dict[str, Any], status: int) -> None:
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        answer = await client.post(PATH, json={**BODY, **more})
    assert answer.status_code == status
    assert answer.json()["hint"]
