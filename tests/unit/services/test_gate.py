"""What the engine is answered."""

import uuid

import pytest
from penstock.domain.errors import Code, PenstockError, Side
from penstock.domain.plan import PostgresLogin, TcpTarget
from penstock.domain.principal import AgentCredential, AgentPrincipal, TokenCredential, UserPrincipal
from penstock.domain.question import NOTED, Authenticate, Begin, Decide, Ended
from penstock.domain.session import Client, SessionEnd, SessionStatus
from penstock.domain.user import Identity

from tests.unit.world import PEER, World

pytestmark = pytest.mark.anyio
CLOSED = SessionEnd(SessionStatus.CLOSED, None, 1, 2, 3, "beef")


def _principal(identity: Identity) -> UserPrincipal:
    return UserPrincipal(identity.user.id, identity.user.email, identity.token.id)


async def test_credentials_prove_principals(world: World) -> None:
    admin = await world.admin()
    token = await world.token("admin@example.com")
    proven = await world.gate.answer(Authenticate(TokenCredential(token), PEER))
    assert isinstance(proven, UserPrincipal)
    assert (proven.id, proven.name) == (admin.user.id, "admin@example.com")
    _, key = await world.services.agents.create(admin, "a")
    credential = AgentCredential("a", key.secret)
    assert await world.gate.answer(Authenticate(credential, PEER)) == AgentPrincipal("a")
    assert (await world.services.agents.get("a")).agent.last_seen_at == world.clock.now()


@pytest.mark.parametrize(("name", "secret"), [("a", "psa_wrong"), ("nobody", "psa_x"), ("a", "")])
async def test_a_wrong_agent_key_is_refused_with_a_hint(world: World, name: str, secret: str) -> None:
    await world.services.agents.create(await world.admin(), "a")
    with pytest.raises(PenstockError) as refused:
        await world.gate.answer(Authenticate(AgentCredential(name, secret), PEER))
    assert (refused.value.code, refused.value.side) == (Code.UNAUTHENTICATED, Side.AGENT)
    assert refused.value.hint


async def test_who_may_gets_a_plan(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.connection("db", "dev")
    plan = await world.gate.decide(_principal(identity), "db", PEER)
    assert uuid.UUID(plan.session)
    assert plan.target == TcpTarget("db.internal:5432")
    assert plan.login == PostgresLogin("app", "shop", "prefer", "s3cret-at-rest", None)
    assert plan.recording == str(world.folder / "sessions" / f"{plan.session}.rec")
    assert plan.expires_at == identity.token.expires_at
    assert "s3cret-at-rest" not in repr(plan)


async def test_who_may_not_is_told_the_rule(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.connection("db", "ops")
    with pytest.raises(PenstockError, match="rule 'groups'") as refused:
        await world.gate.answer(Decide(_principal(identity), "db", PEER))
    assert (refused.value.code, refused.value.side) == (Code.FORBIDDEN, Side.POLICY)
    with pytest.raises(PenstockError) as unknown:
        await world.gate.decide(_principal(identity), "nothing", PEER)
    assert unknown.value.code is Code.NOT_FOUND


async def test_agents_open_no_sessions(world: World) -> None:
    await world.connection("db")
    with pytest.raises(PenstockError) as refused:
        await world.gate.decide(AgentPrincipal("a"), "db", PEER)
    assert refused.value.code is Code.FORBIDDEN


async def test_a_link_that_outlives_its_token_opens_nothing(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.connection("db", "dev")
    await world.services.tokens.revoke(identity, identity.token.id)
    with pytest.raises(PenstockError) as refused:
        await world.gate.decide(_principal(identity), "db", PEER)
    assert refused.value.code is Code.UNAUTHENTICATED


async def test_a_session_is_written_down_and_its_recording_kept(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.connection("db", "dev")
    session_id = await world.begin(identity, "db")
    session = await world.sessions.get(session_id)
    assert session is not None
    assert (session.status, session.principal, session.peer) == (SessionStatus.OPEN, "me@example.com", PEER)
    assert session.client == Client("app", "shop", "psql")
    assert await world.gate.answer(Ended(session_id, CLOSED)) is NOTED
    ended = await world.sessions.get(session_id)
    assert ended is not None
    assert (ended.status, ended.statements, ended.head) == (SessionStatus.CLOSED, 1, "beef")
    path = await world.archive.locate(session_id, ended.started_at)
    assert path is not None
    assert path.is_relative_to(world.folder / "recordings" / "2026" / "11" / "21")


async def test_a_session_does_not_begin_when_it_is_denied_by_then(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.connection("db", "dev")
    plan = await world.gate.decide(_principal(identity), "db", PEER)
    await world.services.groups.delete(await world.admin(), "dev")
    with pytest.raises(PenstockError) as refused:
        await world.gate.answer(Begin(plan.session, "db", _principal(identity), Client(), PEER))
    assert refused.value.code is Code.FORBIDDEN
    assert await world.sessions.get(plan.session) is None


async def test_an_end_that_cannot_be_kept_is_noted_all_the_same(world: World) -> None:
    identity = await world.user("me@example.com", "dev")
    await world.connection("db", "dev")
    session_id = await world.begin(identity, "db")
    world.archive.live_path(session_id).unlink()
    with pytest.raises(PenstockError) as refused:
        await world.gate.answer(Ended(session_id, CLOSED))
    assert refused.value.code is Code.RECORDER
    ended = await world.sessions.get(session_id)
    assert ended is not None
    assert ended.status is SessionStatus.CLOSED


async def test_the_end_of_an_unknown_session_is_refused(world: World) -> None:
    with pytest.raises(PenstockError) as refused:
        await world.gate.answer(Ended("nothing", CLOSED))
    assert refused.value.code is Code.NOT_FOUND
