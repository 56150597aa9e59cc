"""Whether the gateway can do its work."""

import asyncio

from penstock.domain.ports import Store

STORE_SECONDS = 2.0


class Health:
    """Ready once the engine runs, until it drains, while the store answers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._state: str | None = "starting"

    def started(self) -> None:
        """The engine runs."""
        self._state = None

    def draining(self) -> None:
        """The gateway is about to stop."""
        self._state = "shutting down"

    async def trouble(self) -> str | None:
        """Why it cannot; None if it can."""
        if self._state is not None:
            return self._state
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await self._store.ping()
        except Exception as error:  # noqa: BLE001 - whatever the store's trouble is, it is the answer
            return f"the store does not answer ({type(error).__name__})"
        return None
