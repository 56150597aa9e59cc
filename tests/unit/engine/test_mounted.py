"""The mounted proxy, with a core that is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from penstock.engine.mounted import MountedProxy, _target

pytestmark = pytest.mark.anyio

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/a b",
    "raw_path": b"/a%20b",
    "query_string": b"q=1",
    "headers": [[b"host", b"shop.example"]],
    "scheme": "https",
    "client": ("192.0.2.1", 5),
}


class Mount:
    """Answers with what the request's body was."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.listening = self.closed = False

    def listen(self) -> None:
        self.listening = True

    def close(self) -> None:
        self.closed = True

    def request(self, *head: Any, **more: Any) -> Exchange:
        self.asked.append((head, more))
        return Exchange()

    def websocket(self, *head: Any, **more: Any) -> Socket:
        self.asked.append((head, more))
        return Socket()


class Exchange:
    """Sends back what was written, once that is whole."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._whole, self._closed = asyncio.Event(), False

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        await self._whole.wait()
        return 201, [(b"x-it", b"1")]

    async def read(self) -> bytes | list[tuple[bytes, bytes]]:
        return self._pieces.pop(0) if self._pieces else [(b"x-sum", b"7")]

    async def write(self, piece: bytes) -> bool:
        self._pieces.append(piece)
        return True

    def finish(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self._whole.set()


class Socket:
    """Echoes one message, then closes."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[str | bytes | tuple[int, str]] = asyncio.Queue()

    async def open(self) -> tuple[bool, int, list[tuple[bytes, bytes]]]:
        return True, 200, [(b"sec-websocket-protocol", b"chat"), (b"x-it", b"1")]

    async def receive(self) -> str | bytes | tuple[int, str]:
        return await self._said.get()

    async def send_text(self, text: str) -> None:
        await self._said.put(text)

    async def send_bytes(self, data: bytes) -> None:
        await self._said.put(data)
        await self._said.put((1000, "done"))

    async def send_close(self, code: int, reason: str) -> None:
        await self._said.put((code, reason))

    def close(self) -> None:
        pass


def mounted(mount: Mount) -> MountedProxy:
    """On a scripted core."""
    return MountedProxy(cast("Callable[..., Any]", lambda _loop: mount))


async def call(scope: dict[str, Any], *events: dict[str, Any]) -> tuple[Mount, list[Any]]:
    """What the application sends for these events, after which nothing comes."""
    mount, sent, waiting = Mount(), list[Any](), list(events)

    async def receive() -> Any:
        if waiting:
            return waiting.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def send(event: Any) -> None:
        sent.append(event)

    await asyncio.wait_for(mounted(mount)(scope, receive, send), 5)
    return mount, sent


async def test_a_request_is_passed_on_with_its_body_and_trailers() -> None:
    body: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"one", "more_body": True},
        {"type": "http.request", "body": b"two", "more_body": False},
    ]
    mount, sent = await call({**SCOPE, "extensions": {"http.response.trailers": {}}}, *body)
    head = ("POST", b"/a%20b?q=1", [(b"host", b"shop.example")])
    assert mount.asked == [(head, {"tls": True, "client": ("192.0.2.1", 5), "whole": False})]
    assert mount.listening
    assert sent[0] == {
        "type": "http.response.start",
        "status": 201,
        "headers": [(b"x-it", b"1")],
        "trailers": True,
    }
    assert [event["body"] for event in sent[1:-1]] == [b"one", b"two", b""]
    assert sent[-1] == {
        "type": "http.response.trailers",
        "headers": [(b"x-sum", b"7")],
        "more_trailers": False,
    }


async def test_a_request_without_a_body_says_so() -> None:
    mount, sent = await call({**SCOPE, "client": None}, {"type": "http.request"})
    assert mount.asked[0][1] == {"tls": True, "client": None, "whole": True}
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_websocket_passes_both_ways() -> None:
    scope = {**SCOPE, "type": "websocket", "scheme": "wss"}
    scope["headers"] = [(b"host", b"a"), (b"sec-websocket-key", b"k"), (b"upgrade", b"websocket")]
    said: list[dict[str, Any]] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "hello"},
        {"type": "websocket.receive", "bytes": b"there"},
    ]
    mount, sent = await call(scope, *said)
    assert mount.asked[0][0] == (b"/a%20b?q=1", [(b"host", b"a")])
    assert sent == [
        {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-it", b"1")]},
        {"type": "websocket.send", "text": "hello"},
        {"type": "websocket.send", "bytes": b"there"},
        {"type": "websocket.close", "code": 1000, "reason": "done"},
    ]


async def test_a_lifespan_is_nothing_of_ours() -> None:
    _, sent = await call({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert [event["type"] for event in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        ({"path": "/"}, b"/"),
        ({"path": "/ü", "query_string": b""}, b"/%C3%BC"),
        ({"path": "/in/x", "raw_path": b"/in/x", "root_path": "/in"}, b"/x"),
        ({"path": "/inner", "raw_path": b"/inner", "root_path": "/in"}, b"/inner"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb", "query_string": b"x=/"}, b"/a%2Fb?x=/"),
    ],
)
def test_the_target_is_below_where_it_is_mounted(scope: dict[str, Any], target: bytes) -> None:
    assert _target(scope) == target
