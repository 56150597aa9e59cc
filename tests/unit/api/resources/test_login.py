"""Logging in and out over HTTP."""

import pytest

from tests.unit.world import PASSWORD, World

pytestmark = pytest.mark.anyio


async def test_the_first_admin_by_the_one_time_token(world: World) -> None:
    token = await world.services.setup.prepare(None, None)
    body = {"token": token, "email": "a@example.com", "password": PASSWORD}
    async with world.api() as client:
        assert (await client.get("/api/serverinfo")).json()["setup_required"]
        granted = (await client.post("/api/setup", json=body)).json()
        assert not (await client.get("/api/serverinfo")).json()["setup_required"]
        assert (await client.post("/api/setup", json=body)).status_code == 409
    assert granted["user"] == {
        **granted["user"],
        "email": "a@example.com",
        "groups": ["admin"],
        "admin": True,
    }


async def test_login_userinfo_tokens_logout(world: World) -> None:
    await world.user("me@example.com", "dev")
    async with world.api() as client:
        granted = (
            await client.post("/api/login", json={"email": "ME@example.com", "password": PASSWORD})
        ).json()
    assert granted["token"].startswith("pst_")
    async with world.api(granted["token"]) as client:
        who = (await client.get("/api/userinfo")).json()
        tokens = (await client.get("/api/tokens")).json()
        assert (await client.post("/api/logout")).status_code == 204
        after = await client.get("/api/userinfo")
    assert who == {**granted["user"], "token_id": granted["token_id"], "expires_at": granted["expires_at"]}
    assert who["groups"] == ["dev"]
    assert [(token["id"], token["current"]) for token in tokens if token["current"]] == [
        (granted["token_id"], True)
    ]
    assert after.status_code == 401
    assert world.engine.ended_tokens == [granted["token_id"]]


async def test_guessing_is_429(world: World) -> None:
    await world.admin()
    async with world.api() as client:
        for _ in range(10):
            await client.post("/api/login", json={"email": "admin@example.com", "password": "wrong wrong"})
        answer = await client.post("/api/login", json={"email": "admin@example.com", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (429, "limited")
