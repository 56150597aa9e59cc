"""Revoking certificates over HTTP."""

import pytest

from tests.unit.world import World

pytestmark = pytest.mark.anyio
PRINT = "0f" * 32


async def test_a_certificate_is_revoked_listed_and_restored(world: World) -> None:
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        made = await client.post(
            "/api/certificates", json={"fingerprint": PRINT, "name": "office", "reason": "lost"}
        )
        assert made.status_code == 201
        assert made.json() == {
            "fingerprint": PRINT,
            "name": "office",
            "reason": "lost",
            "revoked_at": "2026-11-21T12:00:00Z",
            "revoked_by": "admin@example.com",
        }
        assert (await client.get("/api/certificates")).json() == [made.json()]
        assert world.engine.ended_certificates == [PRINT]
        assert (await client.delete(f"/api/certificates/{PRINT}")).status_code == 204
        assert (await client.delete(f"/api/certificates/{PRINT}")).status_code == 404


async def test_what_is_no_fingerprint_is_refused(world: World) -> None:
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        for body, status in (({"fingerprint": "office"}, 400), ({}, 422), ({"fingerprint": "0" * 129}, 422)):
            assert (await client.post("/api/certificates", json=body)).status_code == status


async def test_an_agents_certificates_are_shown(world: World) -> None:
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        made = await client.post("/api/agents", json={"name": "a"})
        assert made.json()["certificate_names"] == ["a"]
        await client.post("/api/agents", json={"name": "b", "certificate_names": ["y", "x", "y"]})
        assert (await client.get("/api/agents/b")).json()["certificate_names"] == ["x", "y"]
        assert (
            await client.post("/api/agents", json={"name": "c", "certificate_names": []})
        ).status_code == 422
