"""Who sees which session, and what of it."""

import json
from collections.abc import AsyncIterator

import pytest
from penstock.domain.errors import Code, PenstockError, Side
from penstock.domain.session import SessionFilter, SessionStatus

from tests.unit.world import World

pytestmark = pytest.mark.anyio


async def _text(chunks: AsyncIterator[str]) -> str:
    return "".join([chunk async for chunk in chunks])


async def _session(world: World) -> str:
    await world.connection("db", "dev")
    return await world.begin(await world.user("me@example.com", "dev"), "db")


async def test_users_see_their_own_and_admins_all(world: World) -> None:
    session_id = await _session(world)
    me, admin = await world.authentication.login("me@example.com", "correct horse", "p"), await world.admin()
    stranger = await world.user("you@example.com", "dev")
    for identity in (me.identity, admin):
        page = await world.services.sessions.list(identity, SessionFilter(), 50)
        assert [session.id for session in page.items] == [session_id]
        assert (await world.services.sessions.get(identity, session_id)).id == session_id
    page = await world.services.sessions.list(stranger, SessionFilter(user_id=me.identity.user.id), 50)
    assert list(page.items) == []
    for call in (
        world.services.sessions.get,
        world.services.sessions.replay,
        world.services.sessions.verify,
        world.services.sessions.kill,
    ):
        with pytest.raises(PenstockError) as refused:
            await call(stranger, session_id)
        assert refused.value.code is Code.NOT_FOUND


async def test_a_live_session_shows_what_it_carried_so_far(world: World) -> None:
    session_id = await _session(world)
    session = await world.services.sessions.get(await world.admin(), session_id)
    assert (session.statements, session.client_bytes, session.upstream_bytes) == (1, 20, 300)


async def test_a_page_says_whether_there_is_more(world: World) -> None:
    await _session(world)
    admin = await world.admin()
    await world.begin(admin, "db")
    assert (await world.services.sessions.list(admin, SessionFilter(), 1)).more
    assert not (await world.services.sessions.list(admin, SessionFilter(), 2)).more


async def test_a_replay_is_streamed_from_where_the_recording_is(world: World) -> None:
    session_id = await _session(world)
    lines = [json.dumps({"type": "statement", "id": number}) for number in range(200)]
    world.archive.live_path(session_id).write_text("\n".join(lines))
    replayed = await _text(await world.services.sessions.replay(await world.admin(), session_id))
    assert replayed.splitlines() == lines


async def test_a_replay_that_turns_bad_says_where_at_its_end(world: World) -> None:
    session_id = await _session(world)
    world.reader.fault = PenstockError(Code.RECORDER, Side.GATEWAY, "record 2 is bad")
    lines = (await _text(await world.services.sessions.replay(await world.admin(), session_id))).splitlines()
    assert json.loads(lines[0]) == {"type": "opened"}
    assert json.loads(lines[1])["type"] == "fault"
    assert json.loads(lines[1])["message"] == "record 2 is bad"


async def test_a_missing_recording_is_not_found(world: World) -> None:
    session_id = await _session(world)
    world.archive.live_path(session_id).unlink()
    with pytest.raises(PenstockError, match="recording") as refused:
        await world.services.sessions.replay(await world.admin(), session_id)
    assert refused.value.code is Code.NOT_FOUND


async def test_verify_asks_with_the_noted_head(world: World) -> None:
    session_id = await _session(world)
    assert await world.services.sessions.verify(await world.admin(), session_id) == world.reader.verification
    assert world.reader.verified == [(world.archive.live_path(session_id), None)]


async def test_a_kill_names_who_and_works_once(world: World) -> None:
    session_id = await _session(world)
    admin = await world.admin()
    await world.services.sessions.kill(admin, session_id)
    assert world.engine.killed == [(session_id, SessionStatus.KILLED, "killed by admin@example.com")]
    world.archive.live_path(session_id).unlink()
    await world.recovery.sweep((), world.clock.now() - world.clock.now())
    with pytest.raises(PenstockError) as refused:
        await world.services.sessions.kill(admin, session_id)
    assert refused.value.code is Code.CONFLICT
