"""Whether what is behind the ports can do its work. The ports themselves are the engine's to know."""

import asyncio

from penstock.domain.ports import Store

STORE_SECONDS = 2.0


class Health:
    """Well while the store answers in time."""

    def __init__(self, store: Store, *, store_seconds: float = STORE_SECONDS) -> None:
        self._store = store
        self._seconds = store_seconds
        self._ping: asyncio.Task[None] | None = None

    async def trouble(self) -> str | None:
        """Why it cannot; None if it can. Takes ``store_seconds`` at the most.

        All who ask at a time share one look at the store, and it is not cancelled when it is late: a driver
        that hangs would hold them up again, and every look would keep one of its few connections.
        """
        if self._ping is None or self._ping.done():
            self._ping = asyncio.create_task(self._store.ping())
            self._ping.add_done_callback(_noticed)
        ping = self._ping
        done, _ = await asyncio.wait([ping], timeout=self._seconds)
        if not done:
            return f"the store does not answer within {self._seconds:g} s"
        error = None if ping.cancelled() else ping.exception()
        return None if error is None else f"the store does not answer ({type(error).__name__})"


def _noticed(ping: asyncio.Task[None]) -> None:
    """The reason of a look that nobody waits for any more is nobody's, and no fault either."""
    if not ping.cancelled():
        ping.exception()
