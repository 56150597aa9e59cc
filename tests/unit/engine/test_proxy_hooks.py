"""What a proxy's owner hears and decides."""

import asyncio
import json
import threading
from collections.abc import Sequence

import pytest
from penstock.engine.proxy import AttachedWorker, SelectRequest
from penstock.engine.proxy_hooks import ProxyHooks

from tests.unit.engine.test_proxy import WORKER

pytestmark = pytest.mark.anyio

ASKED = json.dumps(
    {
        "method": "GET",
        "host": "a",
        "target": "/",
        "headers": [],
        "workers": [WORKER, {**WORKER, "name": "two"}],
    }
)


class Choice:
    """Notes what was chosen."""

    def __init__(self) -> None:
        self.made: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    def make(self, place: int | None) -> None:
        """As the core's."""
        self.made.set_result(place)


async def from_a_thread(hooks: ProxyHooks, *events: tuple[str, str]) -> None:
    """Tells as the core does."""

    def tell() -> None:
        for event, name in events:
            hooks.watch(event, json.dumps({**WORKER, "name": name}))

    thread = threading.Thread(target=tell)
    thread.start()
    await asyncio.to_thread(thread.join)


async def test_workers_are_heard_of_in_order_though_a_hook_is_slow_or_breaks() -> None:
    heard: list[str] = []
    over = asyncio.Event()

    async def attach(worker: AttachedWorker) -> None:
        await asyncio.sleep(0)
        heard.append(f"+{worker.name}")
        if worker.name == "two":
            raise ValueError("a hook of theirs")

    def detach(worker: AttachedWorker) -> None:
        heard.append(f"-{worker.name}")
        over.set()

    hooks = ProxyHooks(asyncio.get_running_loop(), attach, detach, None)
    await from_a_thread(hooks, ("attached", "one"), ("attached", "two"), ("detached", "one"))
    await asyncio.wait_for(over.wait(), 5)
    assert heard == ["+one", "+two", "-one"]


async def test_nobody_is_told_where_nobody_asked() -> None:
    hooks = ProxyHooks(asyncio.get_running_loop(), None, None, None)
    await from_a_thread(hooks, ("attached", "one"))


async def test_a_selector_is_asked_on_the_loop() -> None:
    def second(request: SelectRequest, workers: Sequence[AttachedWorker]) -> AttachedWorker:
        assert request.host == "a" and asyncio.get_running_loop() is not None
        return workers[1]

    async def nobody(_request: SelectRequest, _workers: Sequence[AttachedWorker]) -> None:
        await asyncio.sleep(0)

    def broken(_request: SelectRequest, _workers: Sequence[AttachedWorker]) -> AttachedWorker:
        raise ValueError("a selector of theirs")

    for select, wanted in ((second, 1), (nobody, None), (broken, None)):
        choice = Choice()
        hooks = ProxyHooks(asyncio.get_running_loop(), None, None, select)
        hooks.select(ASKED, choice)
        assert await asyncio.wait_for(choice.made, 5) == wanted
