"""Nothing that was recorded is lost."""

import uuid
from datetime import timedelta

import pytest
from penstock.domain.recording import Head, Summary
from penstock.domain.session import Session, SessionStatus
from penstock.services.recovery import REASON

from tests.unit.world import NOON, World, write_recording

pytestmark = pytest.mark.anyio
ALL = timedelta(0)


def _summary(session_id: str, *, ended: bool = False) -> Summary:
    last = NOON + timedelta(seconds=9)
    status = SessionStatus.CLOSED if ended else None
    return Summary(
        session_id, "db", "postgres", "me@example.com", NOON, last, 7, ended, Head(2, "beef"), status
    )


async def _session(world: World) -> str:
    identity = await world.user("me@example.com", "dev")
    await world.connection("db", "dev")
    session_id = await world.begin(identity, "db")
    world.reader.summaries[session_id] = _summary(session_id)
    return session_id


async def _get(world: World, session_id: str) -> Session:
    session = await world.sessions.get(session_id)
    assert session is not None
    return session


async def test_after_a_crash_an_open_session_is_interrupted_and_kept(world: World) -> None:
    session_id = await _session(world)
    assert await world.recovery.sweep((), ALL) == 1
    session = await _get(world, session_id)
    assert (session.status, session.reason) == (SessionStatus.INTERRUPTED, REASON)
    assert (session.statements, session.head) == (7, "beef")
    assert session.ended_at == NOON + timedelta(seconds=9)
    assert not world.archive.live_path(session_id).exists()
    assert await world.archive.locate(session_id, session.started_at) is not None
    assert await world.recovery.sweep((), ALL) == 0


async def test_what_the_recording_says_ended_did_end(world: World) -> None:
    session_id = await _session(world)
    world.reader.summaries[session_id] = _summary(session_id, ended=True)
    await world.recovery.sweep((), ALL)
    session = await _get(world, session_id)
    assert (session.status, session.reason) == (SessionStatus.CLOSED, None)


async def test_no_session_ends_before_it_began(world: World) -> None:
    world.clock.turn(minutes=1)
    session_id = await _session(world)
    await world.recovery.sweep((), ALL)
    session = await _get(world, session_id)
    assert session.ended_at == session.started_at


async def test_a_session_without_a_recording_is_interrupted_too(world: World) -> None:
    session_id = await _session(world)
    world.archive.live_path(session_id).unlink()
    assert await world.recovery.sweep((), ALL) == 1
    session = await _get(world, session_id)
    assert session.status is SessionStatus.INTERRUPTED
    assert "missing" in str(session.reason)


async def test_a_recording_that_the_store_does_not_know_is_taken_in(world: World) -> None:
    session_id = str(uuid.uuid4())
    write_recording(world.archive.live_path(session_id))
    world.reader.summaries[session_id] = _summary(session_id)
    assert await world.recovery.sweep((), ALL) == 1
    session = await _get(world, session_id)
    assert (session.status, session.connection) == (SessionStatus.INTERRUPTED, "db")
    assert session.principal == "me@example.com"


async def test_a_recording_whose_move_failed_is_moved_and_its_end_stays(world: World) -> None:
    session_id = await _session(world)
    await world.recovery.sweep((), ALL)
    write_recording(world.archive.live_path(session_id))
    assert await world.recovery.sweep((), ALL) == 0
    assert not world.archive.live_path(session_id).exists()


async def test_what_is_live_or_young_is_left_alone(world: World) -> None:
    session_id = await _session(world)
    young = str(uuid.uuid4())
    write_recording(world.archive.live_path(young))
    world.reader.summaries[young] = _summary(young)
    assert await world.recovery.sweep({session_id}, timedelta(minutes=1)) == 0
    assert await world.recovery.sweep((), timedelta(minutes=1)) == 0
    assert (await _get(world, session_id)).status is SessionStatus.OPEN
    assert await world.sessions.get(young) is None
    world.clock.turn(minutes=1)
    assert await world.recovery.sweep((), timedelta(minutes=1)) == 2


async def test_one_bad_file_does_not_keep_the_others(world: World) -> None:
    bad = str(uuid.UUID(int=0))
    world.archive.live_path(bad).write_text("garbage")
    session_id = await _session(world)
    assert await world.recovery.sweep((), ALL) == 1
    assert (await _get(world, session_id)).status is SessionStatus.INTERRUPTED
    assert world.archive.live_path(bad).exists()
