"""Agents, connections, users and groups over HTTP."""

from typing import Any

import pytest
from penstock.domain.agent import AgentPresence

from tests.unit.world import NOON, PASSWORD, PIN, POSTGRES, World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def token(world: World) -> str:
    """An admin's."""
    await world.admin()
    return await world.token("admin@example.com")


async def test_an_agent_from_birth_to_end(world: World, token: str) -> None:
    async with world.api(token) as client:
        made = await client.post("/api/agents", json={"name": "db-agent"})
        assert made.status_code == 201
        key = made.json()["key"]
        assert key.startswith("grpcs://db-agent:psa_")
        assert key.endswith(f"@gw.example:8010?ca={PIN}")
        assert (await client.post("/api/agents", json={"name": "db-agent"})).status_code == 409
        (listed,) = (await client.get("/api/agents")).json()
        assert (listed["status"], listed["links"], listed["last_seen_at"]) == ("offline", 0, None)
        assert "key" not in listed
        world.engine.online["db-agent"] = AgentPresence(4, 1, NOON)
        online = (await client.get(f"/api/agents/{listed['id']}")).json()
        assert (online["status"], online["links"]) == ("online", 4)
        assert (await client.delete("/api/agents/db-agent")).status_code == 204
        assert (await client.get("/api/agents/db-agent")).status_code == 404


async def test_a_connection_from_birth_to_end(world: World, token: str) -> None:
    env = {**POSTGRES, "PORT": 5432}
    body: dict[str, Any] = {"name": "db", "type": "postgres", "agent": None, "env": env, "groups": []}
    async with world.api(token) as client:
        made = await client.post("/api/connections", json=body)
        assert made.status_code == 201
        assert made.json()["groups"] == ["admin"]
        assert made.json()["env"] == {**POSTGRES, "PORT": "5432", "PASS": "***"}
        assert made.json()["online"]
        assert (await client.get("/api/connections/db")).json() == made.json()
        assert (await client.get("/api/connections")).json() == [made.json()]
        assert (await client.post("/api/connections", json=body)).status_code == 409
        assert (await client.post("/api/connections", json={**body, "type": "ftp"})).status_code == 422
        assert (await client.post("/api/connections", json={**body, "env": {}})).status_code == 400
        assert (await client.post("/api/connections", json={**body, "agent": "x"})).status_code == 404
        assert (await client.delete("/api/connections/db")).status_code == 204
    assert POSTGRES["PASS"] not in made.text


async def test_a_user_sees_only_connections_of_its_groups(world: World, token: str) -> None:
    await world.connection("mine", "dev")
    await world.connection("theirs", "ops")
    await world.user("me@example.com", "dev")
    async with world.api(await world.token("me@example.com")) as client:
        assert [c["name"] for c in (await client.get("/api/connections")).json()] == ["mine"]
        assert (await client.get("/api/connections/theirs")).status_code == 404


async def test_users_and_groups(world: World, token: str) -> None:
    body = {"email": "Me@example.com", "password": PASSWORD, "groups": ["dev"]}
    async with world.api(token) as client:
        made = await client.post("/api/users", json=body)
        assert made.status_code == 201
        assert (made.json()["email"], made.json()["admin"]) == ("me@example.com", False)
        assert "password" not in made.text
        assert (await client.post("/api/users", json=body)).status_code == 409
        assert (await client.get("/api/users/me@example.com")).json() == made.json()
        assert len((await client.get("/api/users")).json()) == 2
        assert (await client.post("/api/groups", json={"name": "ops"})).json() == {"name": "ops", "users": 0}
        groups = {group["name"]: group["users"] for group in (await client.get("/api/groups")).json()}
        assert groups == {"admin": 1, "dev": 1, "ops": 0}
        assert (await client.delete("/api/groups/dev")).status_code == 204
        assert (await client.get("/api/groups/dev")).status_code == 404
        assert (await client.get("/api/users/me@example.com")).json()["groups"] == []
        assert (await client.delete("/api/users/me@example.com")).status_code == 204
        assert (await client.delete("/api/users/admin@example.com")).status_code == 409
