"""Sessions over HTTP."""

import json

import pytest

from tests.unit.world import PEER, World

pytestmark = pytest.mark.anyio


async def _session(world: World) -> str:
    await world.connection("db", "dev")
    return await world.begin(await world.user("me@example.com", "dev"), "db")


async def test_a_session_shows_all_of_itself(world: World) -> None:
    session_id = await _session(world)
    async with world.api(await world.token("me@example.com")) as client:
        session = (await client.get(f"/api/sessions/{session_id}")).json()
        page = (await client.get("/api/sessions")).json()
    assert session == {
        "id": session_id,
        "connection": "db",
        "type": "postgres",
        "principal": "me@example.com",
        "status": "open",
        "reason": None,
        "started_at": "2026-11-21T12:00:00Z",
        "ended_at": None,
        "statements": 1,
        "client_bytes": 20,
        "upstream_bytes": 300,
        "client": {"user": "app", "database": "shop", "application": "psql"},
        "peer": PEER,
        "head": None,
        "gap": None,
        "target": None,
        "rule": None,
        "verdict": None,
    }
    assert page == {"items": [session], "next": None}


async def test_pages_lead_through_all(world: World) -> None:
    ids = [await _session(world)]
    admin = await world.admin()
    for _ in range(4):
        world.clock.turn(seconds=1)
        ids.append(await world.begin(admin, "db"))
    seen: list[str] = []
    before = None
    async with world.api(await world.token("admin@example.com")) as client:
        while True:
            query = {"limit": "2"} if before is None else {"limit": "2", "before": before}
            page = (await client.get("/api/sessions", params=query)).json()
            seen += [session["id"] for session in page["items"]]
            before = page["next"]
            if before is None:
                break
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422),
        ("limit=501", 422),
        ("status=lost", 422),
        ("before=x", 400),
        ("before=MTIz", 400),
        ("before=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTkgeA==", 400),
        ("connection=db&principal=me@example.com&status=open", 200),
    ],
)
async def test_queries_are_checked(world: World, query: str, status: int) -> None:
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        assert (await client.get(f"/api/sessions?{query}")).status_code == status


async def test_a_replay_is_json_lines(world: World) -> None:
    session_id = await _session(world)
    async with world.api(await world.token("me@example.com")) as client:
        answer = await client.get(f"/api/sessions/{session_id}/replay")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.text.splitlines()] == [{"type": "opened"}]


async def test_verify_and_kill(world: World) -> None:
    session_id = await _session(world)
    async with world.api(await world.token("me@example.com")) as client:
        verified = (await client.post(f"/api/sessions/{session_id}/verify")).json()
        killed = await client.post(f"/api/sessions/{session_id}/kill")
    assert verified == {"ok": True, "records": 3, "ended": True, "head": "beef", "fault": None}
    assert (killed.status_code, killed.json()["id"]) == (202, session_id)
    assert [ended for ended, _, _ in world.engine.killed] == [session_id]
