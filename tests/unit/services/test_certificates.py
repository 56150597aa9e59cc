"""Whose a certificate is, and taking it back."""

import pytest
from penstock.domain.errors import Code, PenstockError, Side
from penstock.domain.principal import AgentPrincipal, CertificateCredential, Principal
from penstock.domain.question import Authenticate
from penstock.services.certificates import Revocation

from tests.unit.world import PEER, World

pytestmark = pytest.mark.anyio
PRINT = "0f" * 32


async def _identify(world: World, *names: str) -> Principal:
    return await world.gate.authenticate(CertificateCredential(names, PRINT), PEER)


async def _refusal(world: World, *names: str) -> PenstockError:
    with pytest.raises(PenstockError) as refused:
        await _identify(world, *names)
    assert (refused.value.code, refused.value.side) == (Code.UNAUTHENTICATED, Side.AGENT)
    assert refused.value.hint
    return refused.value


async def test_a_certificate_is_the_agents_whose_name_it_has(world: World) -> None:
    await world.services.agents.create(await world.admin(), "office")
    question = Authenticate(CertificateCredential(("spiffe://x", "office"), PRINT), PEER)
    assert await world.gate.answer(question) == AgentPrincipal("office")
    assert (await world.services.agents.get("office")).agent.last_seen_at == world.clock.now()


async def test_an_agents_list_stands_in_place_of_its_name(world: World) -> None:
    admin = await world.admin()
    await world.services.agents.create(admin, "office", ["office.corp.example", "spiffe://corp/office"])
    for name in ("office.corp.example", "spiffe://corp/office"):
        assert await _identify(world, name) == AgentPrincipal("office")
    assert "no agent has" in (await _refusal(world, "office")).message


async def test_a_name_belongs_to_one_agent(world: World) -> None:
    admin = await world.admin()
    await world.services.agents.create(admin, "a", ["b"])
    with pytest.raises(PenstockError, match="certificate names b") as refused:
        await world.services.agents.create(admin, "b")
    assert (refused.value.code, await world.agents.get("b")) == (Code.CONFLICT, None)
    await world.services.agents.create(admin, "b", ["c"])
    assert "more than one: agent a, agent b" in (await _refusal(world, "b", "c")).message


async def test_certificates_of_nobody_are_refused(world: World) -> None:
    await world.services.agents.create(await world.admin(), "office")
    await world.services.agents.adopt("local")
    for names in [(), ("OFFICE",), ("office.",), ("local",), ("Penstock gateway",)]:
        await _refusal(world, *names)


async def test_what_is_revoked_ends_and_stays_out(world: World) -> None:
    admin = await world.admin()
    await world.services.agents.create(admin, "office")
    revoked = await world.services.certificates.revoke(
        admin, Revocation(f"SHA256:{PRINT}".upper(), "office", "lost")
    )
    assert (revoked.fingerprint, revoked.revoked_by) == (PRINT, "admin@example.com")
    assert world.engine.ended_certificates == [PRINT]
    assert "revoked on 2026-11-21" in (await _refusal(world, "office")).message
    world.clock.turn(days=1)
    again = await world.services.certificates.revoke(admin, Revocation(PRINT, None, "again"))
    assert (again, world.engine.ended_certificates) == (revoked, [PRINT, PRINT])
    assert await world.services.certificates.list() == [revoked]
    await world.services.certificates.restore(admin, PRINT)
    assert await _identify(world, "office") == AgentPrincipal("office")
    with pytest.raises(PenstockError) as unknown:
        await world.services.certificates.restore(admin, PRINT)
    assert unknown.value.code is Code.NOT_FOUND


async def test_the_certificate_of_a_deleted_agent_is_nobodys(world: World) -> None:
    admin = await world.admin()
    await world.services.agents.create(admin, "office")
    await world.services.agents.delete(admin, "office")
    await _refusal(world, "office")


@pytest.mark.parametrize("name", ["", "two words", "é", "x" * 254])
async def test_names_that_no_certificate_holds_are_refused(world: World, name: str) -> None:
    with pytest.raises(PenstockError) as refused:
        await world.services.agents.create(await world.admin(), "office", [name])
    assert refused.value.code is Code.MALFORMED
