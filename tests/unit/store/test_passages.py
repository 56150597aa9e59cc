"""What left by the forward proxy, in the store."""

from dataclasses import replace
from datetime import timedelta

import pytest
from penstock.domain.service_account import ServiceAccount
from penstock.domain.session import Session, SessionFilter, SessionStatus, SessionType
from penstock.domain.user import Token
from penstock.store.passages import AT_ONCE
from penstock.store.service_accounts import ServiceAccountTable

from tests.unit.world import NOON, World

pytestmark = pytest.mark.anyio
LATER = NOON + timedelta(hours=1)
OPEN = Session(
    id="e1",
    connection="",
    type=SessionType.EGRESS,
    agent=None,
    user_id="u1",
    principal="ci",
    token_id="t1",
    peer="192.0.2.1:5555",
    started_at=NOON,
    target="origin.test:443",
    rule="build/origin",
    verdict="allowed",
)
OVER = replace(
    OPEN,
    status=SessionStatus.KILLED,
    reason="killed by an admin",
    ended_at=LATER,
    client_bytes=2**40,
    upstream_bytes=2**50,
    verdict="cut",
)


@pytest.fixture
async def accounts(world: World) -> ServiceAccountTable:
    """With the account that proves itself by the token of the passages."""
    accounts = ServiceAccountTable(world.database)
    account = ServiceAccount("u1", "ci", frozenset(), NOON, None)
    await accounts.add(account, Token("t1", "u1", NOON, LATER), "digest")
    return accounts


async def _all(world: World) -> list[Session]:
    return list(await world.sessions.list(SessionFilter()))


async def test_they_begin_and_end_however_often_it_is_said(
    world: World, accounts: ServiceAccountTable
) -> None:
    for _ in range(2):
        assert await world.passages.note([OPEN]) == []
        assert await _all(world) == [OPEN]
    for passages in ([OVER], [OVER], [OPEN], [replace(OVER, status=SessionStatus.CLOSED)]):
        await world.passages.note(passages)
        assert await _all(world) == [OVER]


async def test_one_that_was_over_at_once_is_there_too(world: World) -> None:
    nobody = replace(OPEN, id="e2", user_id="", token_id="", principal="anonymous", rule=None)
    assert await world.passages.note([OVER, nobody]) == []
    assert {session.id: session for session in await _all(world)} == {"e1": OVER, "e2": nobody}


async def test_what_lives_by_a_token_that_is_gone_is_named(
    world: World, accounts: ServiceAccountTable
) -> None:
    other = replace(OPEN, id="e2", token_id="gone")
    assert await world.passages.note([other, OPEN]) == ["e2"]
    await accounts.disable("u1", True)
    assert await world.passages.note([replace(OPEN, id="e3"), OPEN]) == ["e1", "e3"]
    assert await _all(world) == [OPEN]


async def test_what_a_stop_cut_is_interrupted(world: World, accounts: ServiceAccountTable) -> None:
    many = [replace(OPEN, id=f"e{number}") for number in range(AT_ONCE + 3)]
    await world.passages.note([*many, replace(OVER, id="over")])
    late = replace(OPEN, id="late", started_at=LATER)
    await world.passages.note([late])
    assert await world.passages.interrupt({"e2"}, NOON, "stopped") == AT_ONCE + 2
    found = {session.id: session for session in await _all(world)}
    assert (found["e1"].status, found["e1"].reason) == (SessionStatus.INTERRUPTED, "stopped")
    assert found["e1"].ended_at is None, "nobody knows when"
    assert (found["e2"], found["late"], found["over"].status) == (many[2], late, SessionStatus.KILLED)
    assert await world.sessions.open_ids() == []


async def test_the_oldest_ended_ones_are_forgotten(world: World, accounts: ServiceAccountTable) -> None:
    ended = [
        replace(OVER, id=f"e{number}", started_at=NOON + timedelta(seconds=number))
        for number in range(AT_ONCE + 5)
    ]
    await world.passages.note([*ended, replace(OPEN, id="open")])
    recorded = replace(OVER, id="s1", type=SessionType.TCP, connection="db", target=None)
    await world.sessions.restore(recorded)
    assert await world.passages.prune(AT_ONCE + 6) == 0
    assert await world.passages.prune(2) == AT_ONCE + 3
    assert {session.id for session in await _all(world)} == {
        "open",
        "s1",
        f"e{AT_ONCE + 3}",
        f"e{AT_ONCE + 4}",
    }
    assert await world.passages.prune(0) == 2


async def test_types_select(world: World) -> None:
    recorded = replace(OVER, id="s1", type=SessionType.TCP, connection="db", target=None)
    await world.sessions.restore(recorded)
    await world.passages.note([OVER])
    for kind, expected in ((SessionType.EGRESS, OVER), (SessionType.TCP, recorded)):
        assert await world.sessions.list(SessionFilter(types=frozenset({kind}))) == [expected]
