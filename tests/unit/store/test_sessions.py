"""Sessions in the store."""

from dataclasses import replace
from datetime import timedelta

import pytest
from penstock.domain.connection import Connection, ConnectionType
from penstock.domain.session import Client, Session, SessionEnd, SessionFilter, SessionStatus, SessionType
from penstock.domain.user import Token, User

from tests.unit.world import NOON, POSTGRES, World

pytestmark = pytest.mark.anyio
SESSION = Session(
    id="s1",
    connection="db",
    type=SessionType.POSTGRES,
    agent="a",
    user_id="u1",
    principal="me@example.com",
    token_id="t1",
    peer="p",
    started_at=NOON,
    client=Client("u", "d", "psql"),
)
END = SessionEnd(SessionStatus.FAILED, "upstream gone", 3, 2**40, 2**50, "beef")


async def _prepare(world: World) -> None:
    await world.users.add(User("u1", "me@example.com", frozenset(), NOON), "hash")
    await world.tokens.add(Token("t1", "u1", NOON, NOON + timedelta(1)), "digest")
    connection = Connection("c1", "db", ConnectionType.POSTGRES, "a", frozenset(), NOON, POSTGRES)
    await world.connections.add(connection)


async def test_a_session_begins_and_ends_once(world: World) -> None:
    await _prepare(world)
    assert await world.sessions.begin(SESSION)
    assert await world.sessions.get("s1") == SESSION
    assert await world.sessions.open_ids() == ["s1"]
    later = NOON + timedelta(seconds=1)
    assert await world.sessions.end("s1", END, later)
    assert not await world.sessions.end("s1", replace(END, status=SessionStatus.CLOSED), later)
    ended = await world.sessions.get("s1")
    assert ended == replace(
        SESSION,
        status=SessionStatus.FAILED,
        reason="upstream gone",
        ended_at=later,
        statements=3,
        client_bytes=2**40,
        upstream_bytes=2**50,
        head="beef",
    )
    assert await world.sessions.open_ids() == []


async def test_nothing_begins_without_its_token_or_its_connection(world: World) -> None:
    await _prepare(world)
    assert not await world.sessions.begin(replace(SESSION, token_id="gone"))
    assert not await world.sessions.begin(replace(SESSION, connection="gone"))
    assert await world.sessions.get("s1") is None


async def test_listing_filters_and_pages_newest_first(world: World) -> None:
    times = [NOON, NOON + timedelta(seconds=1), NOON + timedelta(seconds=1), NOON + timedelta(seconds=2)]
    made = [replace(SESSION, id=f"s{number}", started_at=at) for number, at in enumerate(times)]
    for session in made:
        assert await world.sessions.restore(session)
    assert not await world.sessions.restore(made[0])
    ids = [session.id for session in await world.sessions.list(SessionFilter())]
    assert ids == ["s3", "s2", "s1", "s0"]
    seen: list[str] = []
    before = None
    while page := await world.sessions.list(SessionFilter(limit=1, before=before)):
        seen.append(page[0].id)
        before = (page[0].started_at, page[0].id)
    assert seen == ids


@pytest.mark.parametrize(
    "which",
    [
        SessionFilter(status=SessionStatus.OPEN),
        SessionFilter(connection="other"),
        SessionFilter(principal="other@example.com"),
        SessionFilter(user_id="u2"),
        SessionFilter(token_id="t2"),
        SessionFilter(agent="b"),
    ],
)
async def test_each_filter_selects(world: World, which: SessionFilter) -> None:
    other = replace(
        SESSION,
        id="s2",
        connection="other",
        principal="other@example.com",
        user_id="u2",
        token_id="t2",
        agent="b",
    )
    await world.sessions.restore(replace(SESSION, status=SessionStatus.CLOSED))
    await world.sessions.restore(other)
    assert await world.sessions.list(which) == [other]
