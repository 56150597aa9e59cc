"""Health."""

import asyncio

import pytest
from penstock.services.health import Health

pytestmark = pytest.mark.anyio


class Scripted:
    """A store with or without trouble."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.looks = 0

    async def ping(self) -> None:
        """Answers or not."""
        self.looks += 1
        await self.answers.wait()
        if self.trouble is not None:
            raise self.trouble


async def test_well_is_who_has_a_store() -> None:
    store = Scripted()
    health = Health(store)
    assert await health.trouble() is None
    store.trouble = OSError("password=hush")
    assert await health.trouble() == "the store does not answer (OSError)"
    store.trouble = None
    assert await health.trouble() is None


async def test_a_store_that_hangs_holds_nobody_up_and_is_looked_at_once() -> None:
    store = Scripted()
    health = Health(store, store_seconds=0.01)
    store.answers.clear()
    late = "the store does not answer within 0.01 s"
    assert await asyncio.gather(*(health.trouble() for _ in range(50))) == [late] * 50
    assert await health.trouble() == late
    assert store.looks == 1
    store.answers.set()
    for _ in range(5):
        await asyncio.sleep(0)  # the look that was late ends
    assert await health.trouble() is None
    assert store.looks == 2
