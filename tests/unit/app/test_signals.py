"""Signals."""

import asyncio
import os
import signal

import pytest
from penstock.app.signals import stop_requested

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_asks_and_the_second_ends(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(os, "_exit", end)
    with stop_requested() as stop:
        os.kill(os.getpid(), number)
        await stop.wait()
        assert not codes
        os.kill(os.getpid(), number)
        await ended.wait()
    assert codes == [130]
