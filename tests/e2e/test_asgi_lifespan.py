"""ASGI's lifespan protocol, and how a worker shuts down around an application."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated
from penstock.domain.errors import PenstockError

from tests.e2e.stack.asgi import Event, Receive, Send
from tests.e2e.stack.bridged import LOOPS, SECONDS, bridged
from tests.e2e.stack.publish import Certificates


class Application:
    """Answers with its state; `/stay` goes on until it is told to stop."""

    def __init__(self, fail: str = "") -> None:
        self.fail = fail
        self.seen: queue.Queue[str] = queue.Queue()
        self.release = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI 3."""
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        await receive()
        if scope["path"] == "/stay":
            self.seen.put("staying")
            await self.stay(receive)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": scope["state"]["word"].encode()})

    async def lifespan(self, scope: Event, receive: Receive, send: Send) -> None:
        """Its own start and end."""
        while True:
            event = (await receive())["type"]
            self.seen.put(event)
            if event == self.fail:
                await send({"type": f"{event}.failed", "message": "no database"})
                return
            scope["state"]["word"] = "shared"
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    async def stay(self, receive: Receive) -> None:
        """Until the caller leaves or `release` is set."""
        left = asyncio.ensure_future(receive())
        released = asyncio.ensure_future(self.release.wait())
        await asyncio.wait({left, released}, return_when=asyncio.FIRST_COMPLETED)
        self.seen.put("released" if released.done() else (await left)["type"])
        left.cancel()
        released.cancel()


@pytest.mark.parametrize("loop", LOOPS)
def test_requests_come_between_start_and_end_and_see_the_state(certificates: Certificates, loop: str) -> None:
    app = Application()
    with bridged(app, certificates, loop) as link:
        assert app.seen.get(timeout=SECONDS) == "lifespan.startup"
        assert link.peer.answer(link.peer.request("/")).body == b"shared"
        assert app.seen.empty()
    assert app.seen.get(timeout=SECONDS) == "lifespan.shutdown"


def test_an_application_that_does_not_start_keeps_the_worker_from_it(certificates: Certificates) -> None:
    with (
        pytest.raises(PenstockError, match="the application did not start: no database") as raised,
        bridged(Application("lifespan.startup"), certificates),
    ):
        pytest.fail("it must not get here")
    assert raised.value.hint


def test_an_application_that_fails_to_end_is_told_of(certificates: Certificates) -> None:
    with bridged(Application("lifespan.shutdown"), certificates) as link:
        link.peer.transport.close()
        ended = link.shutdown(0)
        with pytest.raises(PenstockError, match="the application did not end in order: no database"):
            ended.result(SECONDS)


def test_an_application_without_a_lifespan_is_served(certificates: Certificates) -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"hello"})

    with bridged(app, certificates) as link:
        assert link.peer.answer(link.peer.request("/")).body == b"hello"


@pytest.mark.parametrize("loop", LOOPS)
def test_requests_in_flight_may_finish(certificates: Certificates, loop: str) -> None:
    app = Application()
    with bridged(app, certificates, loop) as link:
        stream = link.peer.request("/stay")
        assert [app.seen.get(timeout=SECONDS) for _ in range(2)] == ["lifespan.startup", "staying"]
        ended = link.shutdown(SECONDS)
        assert link.peer.event(ConnectionTerminated).error_code == ErrorCodes.NO_ERROR
        link.loop.call_soon_threadsafe(app.release.set)
        assert link.peer.answer(stream).body == b"shared"
        link.peer.wait_for_end()
        assert ended.result(SECONDS)
        assert [app.seen.get(timeout=SECONDS) for _ in range(2)] == ["released", "lifespan.shutdown"]


@pytest.mark.parametrize("loop", LOOPS)
def test_requests_that_outlast_the_grace_are_told_to_end(certificates: Certificates, loop: str) -> None:
    app = Application()
    with bridged(app, certificates, loop) as link:
        link.peer.request("/stay")
        assert [app.seen.get(timeout=SECONDS) for _ in range(2)] == ["lifespan.startup", "staying"]
        assert not link.shutdown(0.1).result(SECONDS)
        told = [app.seen.get(timeout=SECONDS) for _ in range(2)]
    assert told == ["http.disconnect", "lifespan.shutdown"]


def test_requests_that_do_not_listen_are_cancelled(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.worker._PATIENCE_SECONDS", 0.1)
    seen: queue.Queue[str] = queue.Queue()

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        assert scope["type"] == "http"
        try:
            seen.put("deaf")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.put("cancelled")
            raise

    with bridged(app, certificates) as link:
        link.peer.request("/")
        assert seen.get(timeout=SECONDS) == "deaf"
        link.shutdown(0).result(SECONDS)
        assert seen.get(timeout=SECONDS) == "cancelled"
