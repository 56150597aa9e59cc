"""Managing apps, and whose certificate a worker's is."""

from dataclasses import replace

import pytest
from penstock.domain.app import AppPresence, Route
from penstock.domain.errors import Code, PenstockError
from penstock.domain.principal import CertificateCredential, WorkerPrincipal
from penstock.domain.question import Authenticate
from penstock.services.apps import NewApp
from penstock.services.certificates import Revocation

from tests.unit.world import PEER, World

pytestmark = pytest.mark.anyio
NEW = NewApp("shop", ["Shop.example"], [], False, [], "least-in-flight", 60)
PRINT = "0f" * 32


async def test_an_app_is_published_as_it_is_made_and_as_it_goes(world: World) -> None:
    admin = await world.admin()
    state = await world.services.apps.create(admin, NEW)
    assert (state.app.routes, state.app.workers) == ((Route("shop.example"),), ("shop",))
    await world.services.apps.delete(admin, "shop")
    await world.services.apps.publish()
    assert world.engine.published == [[state.app], [], []]
    with pytest.raises(PenstockError) as unknown:
        await world.services.apps.delete(admin, "shop")
    assert unknown.value.code is Code.NOT_FOUND


async def test_presence_comes_from_the_engine(world: World) -> None:
    admin = await world.admin()
    await world.app("shop")
    assert (await world.services.apps.get(admin, "shop", PEER)).presence is None
    world.engine.serving["shop"] = AppPresence(2, 8, 1)
    assert (await world.services.apps.get(admin, "shop", PEER)).presence == AppPresence(2, 8, 1)
    (listed,) = await world.services.apps.list(admin, PEER)
    assert listed.presence == AppPresence(2, 8, 1)


async def test_users_see_what_they_may_enter(world: World) -> None:
    me = await world.user("me@example.com", "dev")
    await world.app("mine", "dev")
    await world.app("theirs", "ops")
    await world.app("open", identify=False)
    assert [state.app.name for state in await world.services.apps.list(me, PEER)] == ["mine", "open"]
    with pytest.raises(PenstockError) as refused:
        await world.services.apps.get(me, "theirs", PEER)
    assert refused.value.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "new",
    [
        replace(NEW, name="two words"),
        replace(NEW, routes=[]),
        replace(NEW, routes=["https://shop.example"]),
        replace(NEW, workers=["two words"]),
        replace(NEW, selector="random"),
        replace(NEW, identify=True, access=["two words"]),
        replace(NEW, access=["dev"]),
    ],
)
async def test_what_cannot_be_is_refused_and_not_published(world: World, new: NewApp) -> None:
    with pytest.raises(PenstockError) as refused:
        await world.services.apps.create(await world.admin(), new)
    assert refused.value.code is Code.MALFORMED
    assert refused.value.hint
    assert (await world.apps.list(), world.engine.published) == ([], [])


async def _identify(world: World, *names: str) -> object:
    return await world.gate.answer(Authenticate(CertificateCredential(names, PRINT), PEER))


async def test_a_certificate_in_an_apps_list_is_a_workers(world: World) -> None:
    await world.services.apps.create(await world.admin(), replace(NEW, workers=["w1", "w2"]))
    assert await _identify(world, "x", "w2") == WorkerPrincipal("w2", "shop")
    assert await _identify(world, "w1", "w2") == WorkerPrincipal("w1", "shop")
    with pytest.raises(PenstockError, match="no agent has") as nobody:
        await _identify(world, "shop")
    assert "--worker" in str(nobody.value.hint)


async def test_a_certificate_of_an_agent_and_a_worker_is_neither(world: World) -> None:
    admin = await world.admin()
    await world.services.agents.create(admin, "office")
    await world.app("shop")
    await world.app("wiki")
    for names in (("office", "shop"), ("shop", "wiki")):
        with pytest.raises(PenstockError, match="of more than one: ") as refused:
            await _identify(world, *names)
        assert refused.value.code is Code.UNAUTHENTICATED


async def test_a_revoked_worker_stays_out(world: World) -> None:
    admin = await world.admin()
    await world.app("shop")
    await world.services.certificates.revoke(admin, Revocation(PRINT, "shop", "lost"))
    with pytest.raises(PenstockError, match="was revoked"):
        await _identify(world, "shop")
