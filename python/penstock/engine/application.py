"""An ASGI application, run on an event loop for a worker's requests."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from penstock import _core
from penstock.engine.errors import core_errors

Event: TypeAlias = MutableMapping[str, Any]
ASGIApplication: TypeAlias = Callable[
    [Event, Callable[[], Awaitable[Event]], Callable[[Event], Awaitable[None]]], Awaitable[None]
]
"""An application as ASGI 3 describes it."""


class Application:
    """On the running loop, from :meth:`startup` to :meth:`shutdown`."""

    def __init__(self, application: ASGIApplication) -> None:
        with core_errors():
            self.core = _core.AsgiApp(application, asyncio.get_running_loop())

    async def startup(self) -> None:
        """Resolves when the application has started; raises :class:`PenstockError` if that failed."""
        with core_errors():
            await self.core.startup()

    async def shutdown(self, patience_seconds: float) -> None:
        """Tells requests that are still at work to end, cancels those that do not, then ends the application.

        No link may be up any more. Raises :class:`PenstockError` if the application says that it failed.
        """
        try:
            self.core.disconnect()
            if not await _within(patience_seconds, self.core.idle()):
                self.core.cancel()
                await _within(patience_seconds, self.core.idle())
            with core_errors():
                await _within(patience_seconds, self.core.shutdown())
        finally:
            self.core.close()


async def _within(seconds: float, awaitable: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await awaitable
    except TimeoutError:
        return False
    return True
