"""Health."""

import asyncio

import pytest
from penstock.services.health import Health

pytestmark = pytest.mark.anyio


class Scripted:
    """A store with or without trouble."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None

    async def ping(self) -> None:
        """Answers or not."""
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble


async def test_well_is_only_who_has_started_and_does_not_stop_and_has_a_store() -> None:
    store = Scripted()
    health = Health(store)
    assert await health.trouble() == "starting"
    health.started()
    assert await health.trouble() is None
    store.trouble = OSError("password=hush")
    assert await health.trouble() == "the store does not answer (OSError)"
    health.draining()
    assert await health.trouble() == "shutting down"
