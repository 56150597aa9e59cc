"""What needs no login."""

from pathlib import Path

import httpx
import pytest
from penstock.api.app import create_app
from sqlalchemy import text

from tests.unit.world import PIN, World

pytestmark = pytest.mark.anyio


async def test_the_gateway_introduces_itself(world: World) -> None:
    async with world.api() as client:
        info = (await client.get("/api/serverinfo")).json()
        ca = await client.get("/api/ca")
        page = await client.get("/")
    assert info == {
        "version": "1.2.3",
        "api_url": "https://gw.example:8009",
        "grpc_url": "grpcs://gw.example:8010",
        "ca_pin": PIN,
        "setup_required": True,
    }
    assert (ca.text, ca.headers["content-type"]) == ("CA PEM\n", "application/x-pem-file")
    assert "penstock login --api-url https://gw.example:8009" in page.text
    assert "1.2.3" in page.text


async def test_the_page_loads_nothing_and_its_policy_knows_its_style(world: World) -> None:
    async with world.api() as client:
        page = await client.get("/")
    for foreign in ("src=", "http-equiv", "<script", "@import", "url("):
        assert foreign not in page.text
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    assert "prefers-color-scheme: dark" in page.text


async def test_health_is_503_while_the_store_is_away(world: World) -> None:
    async with world.api() as client:
        well = await client.get("/api/healthz")
        head = await client.head("/api/healthz")
        async with world.database.write() as connection:
            await connection.execute(text("DROP TABLE alembic_version"))
        ill = await client.get("/api/healthz")
    assert (well.status_code, well.json(), head.status_code) == (200, {"status": "ok"}, 200)
    assert (ill.status_code, ill.json()["status"]) == (503, "unavailable")
    assert ill.json()["reason"] == "the store does not answer (OperationalError)"


async def test_a_web_app_takes_the_place_of_the_page(world: World, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>web app")
    transport = httpx.ASGITransport(app=create_app(world.services, static_ui=tmp_path))
    async with httpx.AsyncClient(transport=transport, base_url="http://penstock") as client:
        page = await client.get("/")
        missing = await client.get("/../secret")
        info = await client.get("/api/serverinfo")
    assert page.text == "<p>web app"
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    assert info.status_code == 200
