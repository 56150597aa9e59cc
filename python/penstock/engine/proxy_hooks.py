"""What a proxy's owner hears and decides, on the owner's event loop."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import structlog

from penstock.engine.proxy import AttachedWorker, Choice, SelectRequest, read_select, read_worker

OnWorker: TypeAlias = Callable[[AttachedWorker], Awaitable[None] | None]
"""Told of a worker."""

SelectWorker: TypeAlias = Callable[
    [SelectRequest, Sequence[AttachedWorker]], Awaitable[AttachedWorker | None] | AttachedWorker | None
]
"""Chooses one of the workers for a request, or None."""


class ProxyHooks:
    """Takes the core's calls on its threads and makes them on the loop, in order.

    A loop that has ended hears nothing; a choice that it would have made is none.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_attach: OnWorker | None,
        on_detach: OnWorker | None,
        select: SelectWorker | None,
    ) -> None:
        self._loop = loop
        self._told = {"attached": on_attach, "detached": on_detach}
        self._select = select
        self._events: deque[tuple[OnWorker, AttachedWorker]] = deque()
        self._telling = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("penstock.proxy")

    def watch(self, event: str, worker: str) -> None:
        """A worker has come or gone."""
        told = self._told.get(event)
        if told is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hear, told, read_worker(worker))

    def select(self, request: str, choice: Choice) -> None:
        """A request needs a worker."""
        if self._loop.is_closed():
            choice.make(None)
        else:
            self._loop.call_soon_threadsafe(self._begin, request, choice)

    def _begin(self, request: str, choice: Choice) -> None:
        self._start(self._choose(request, choice))

    def _hear(self, told: OnWorker, worker: AttachedWorker) -> None:
        self._events.append((told, worker))
        if not self._telling:
            self._telling = True
            self._start(self._tell())

    async def _tell(self) -> None:
        """Tells what there is, one after the other."""
        while self._events:
            told, worker = self._events.popleft()
            try:
                done = told(worker)
                if inspect.isawaitable(done):
                    await done
            except Exception:  # noqa: BLE001 - the next is to be heard of too
                self._log.exception("a worker's hook failed", worker=worker.name)
        self._telling = False

    async def _choose(self, text: str, choice: Choice) -> None:
        chosen = None
        try:
            request, workers = read_select(text)
            chosen = await self._asked(request, workers)
        except Exception:  # noqa: BLE001 - whatever breaks chooses nobody
            self._log.exception("the selector failed")
        finally:
            choice.make(chosen)

    async def _asked(self, request: SelectRequest, workers: tuple[AttachedWorker, ...]) -> int | None:
        if self._select is None:
            return None
        chosen = self._select(request, workers)
        worker = await chosen if inspect.isawaitable(chosen) else chosen
        return None if worker is None else workers.index(worker)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
