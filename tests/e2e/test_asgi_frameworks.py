"""Frameworks as people use them, on a worker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from tests.e2e.stack.bridged import LOOPS, SECONDS, bridged
from tests.e2e.stack.publish import Certificates
from tests.e2e.stack.websocket import Socket

NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


def fastapi(done: threading.Event) -> FastAPI:
    """One route for each way that a framework uses the server below it."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"word": "shared"}
        done.set()

    app = FastAPI(lifespan=lifespan)

    @app.get("/state")
    async def state(request: Request) -> dict[str, str]:
        return {"word": request.state.word, "url": str(request.url), "name": NAME.get()}

    @app.get("/thread")
    def thread() -> dict[str, bool]:
        return {"main": threading.current_thread() is threading.main_thread()}

    @app.post("/length")
    async def length(request: Request) -> int:
        NAME.set("somebody")
        return len(await request.body())

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for number in range(3):
                yield f"{number}\n".encode()
                await asyncio.sleep(0)

        return StreamingResponse(parts())

    @app.get("/later")
    async def later(background: BackgroundTasks) -> None:
        background.add_task(done.set)

    @app.get("/raise")
    async def fail() -> None:
        raise ValueError("on purpose")

    return app


def chat(done: threading.Event) -> FastAPI:
    """One websocket."""
    app = FastAPI()

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_json(await websocket.receive_json())
        except WebSocketDisconnect:
            done.set()

    return app


@pytest.mark.parametrize("loop", LOOPS)
def test_fastapi(certificates: Certificates, loop: str) -> None:
    ended = threading.Event()
    with bridged(fastapi(ended), certificates, loop) as link:
        peer = link.peer

        def get(path: str) -> bytes:
            answer = peer.answer(peer.request(path, authority="shop.example"))
            assert answer.status == 200
            return answer.body

        upload = peer.request("/length", method="POST", end=False)
        peer.data(upload, b"x" * 300_000, end=True)
        assert peer.answer(upload).body == b"300000"
        # A context of its own for each request.
        state = b'{"word":"shared","url":"http://shop.example/state","name":"nobody"}'
        assert get("/state") == state
        assert get("/thread") == b'{"main":false}'
        assert get("/stream") == b"0\n1\n2\n"
        assert peer.answer(peer.request("/raise")).status == 500
        assert get("/later") == b"null"
        assert ended.wait(SECONDS)
        ended.clear()
    assert ended.wait(SECONDS)


@pytest.mark.parametrize("loop", LOOPS)
def test_fastapi_websocket(certificates: Certificates, loop: str) -> None:
    ended = threading.Event()
    with bridged(chat(ended), certificates, loop) as link:
        socket = Socket(link.peer, "/echo")
        for number in range(3):
            socket.protocol.send_text(f'{{"n":{number}}}'.encode())
            socket.flush()
            assert bytes(socket.frame().data) == f'{{"n":{number}}}'.encode()
        socket.protocol.send_close(1000)
        socket.flush()
        assert ended.wait(SECONDS)


def test_fastapi_notices_a_caller_that_leaves_a_stream(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    left = threading.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0.01)
        finally:
            left.set()

    app = FastAPI()

    @app.get("/")
    async def endless() -> StreamingResponse:
        return StreamingResponse(parts())

    with bridged(app, certificates) as link:
        stream = link.peer.request("/")
        link.peer.body_of(stream, 10)
        link.peer.h2.reset_stream(stream)
        link.peer.flush()
        assert left.wait(SECONDS)
    assert [record for record in caplog.records if record.name == "penstock.worker"] == []
