"""What leaves by the forward proxy, among the sessions."""

from dataclasses import replace
from datetime import timedelta

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.domain.question import NOTED, Passages, Revoked
from penstock.domain.session import Meter, Session, SessionFilter, SessionStatus, SessionType
from penstock.domain.user import Identity
from penstock.services.recovery import REASON

from tests.unit.world import World

pytestmark = pytest.mark.anyio


def _passage(identity: Identity, name: str, world: World) -> Session:
    return Session(
        id=name,
        connection="",
        type=SessionType.EGRESS,
        agent=None,
        user_id=identity.user.id,
        principal=identity.user.email,
        token_id=identity.token.id,
        peer="p",
        started_at=world.clock.now(),
        target="a.example:443",
        verdict="allowed",
    )


async def test_the_engine_is_told_what_must_end(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    one = _passage(identity, "e1", world)
    assert await world.gate.answer(Passages((one,))) is NOTED
    other = replace(one, id="e2", token_id="gone")
    assert await world.gate.answer(Passages((one, other))) == Revoked(("e2",))
    assert await world.sessions.list(SessionFilter()) == [one]


async def test_a_changed_policy_leaves_them_and_a_deleted_user_does_not(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.gate.answer(Passages((_passage(identity, "e1", world),)))
    await world.endings.undo_denied()
    assert world.engine.killed == []
    world.engine.live["e1"] = Meter(0, 1, 2)
    await world.services.users.delete(await world.admin(), "me@example.com")
    assert [session_id for session_id, _, _ in world.engine.killed] == ["e1"]


async def test_what_a_stop_cut_is_interrupted_without_a_recording(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.gate.answer(Passages((_passage(identity, "e1", world), _passage(identity, "e2", world))))
    assert await world.recovery.sweep(("e2",), timedelta(minutes=1)) == 0
    assert await world.recovery.sweep(("e2",), timedelta(0)) == 1
    found = {session.id: session for session in await world.sessions.list(SessionFilter())}
    assert (found["e1"].status, found["e1"].reason) == (SessionStatus.INTERRUPTED, REASON)
    assert found["e2"].status is SessionStatus.OPEN


async def test_whoever_asks_for_a_recording_is_told_where_to_look(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.gate.answer(Passages((_passage(identity, "e1", world),)))
    for call in (world.services.sessions.replay, world.services.sessions.verify):
        with pytest.raises(PenstockError) as refused:
            await call(identity, "e1")
        assert refused.value.code is Code.NOT_FOUND
        assert refused.value.hint is not None and "access log" in refused.value.hint
