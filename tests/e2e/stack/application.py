"""The application that the tests publish: ASGI, with one path for each thing that can go wrong on the way."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_CHUNK = 65536
# Of a prime length: no two neighbouring frames are alike.
_PERIOD = bytes(range(251))
_REPEATED = _PERIOD * (_CHUNK // len(_PERIOD) + 2)


def pattern(size: int) -> bytes:
    """What `/bytes/SIZE` answers."""
    return (_PERIOD * (size // len(_PERIOD) + 1))[:size]


class Application:
    """Its paths are the methods; the part behind the second slash is their argument."""

    def __init__(self) -> None:
        self._gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))
        self._gone: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._failures: Counter[str] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        _, name, argument = (scope["path"] + "/").split("/", 2)
        exchange = Exchange(scope, receive, send, argument.rstrip("/"))
        paths = {
            "hello": self.hello,
            "request": self.request,
            "echo": self.echo,
            "mirror": self.mirror,
            "hash": self.hash,
            "bytes": self.bytes,
            "events": self.events,
            "gate": self.gate,
            "early": self.early,
            "wait": self.wait,
            "gone": self.gone,
            "raise": self.fail,
            "failures": self.failures,
            "raise-late": self.fail_late,
            "hop-by-hop": self.hop_by_hop,
        }
        path = paths.get(name, self.unknown) if scope["type"] == "http" else self.websocket
        await path(exchange)

    async def hello(self, exchange: Exchange) -> None:
        """A small answer that tells which process gave it."""
        await exchange.answer(200, b"hello\n", [_process()])

    async def request(self, exchange: Exchange) -> None:
        """The request as it came in."""
        scope = exchange.scope
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
        query = scope["query_string"].decode("latin-1")
        told = {name: scope.get(name) for name in ("method", "path", "scheme", "http_version", "client")}
        await exchange.answer(200, json.dumps({**told, "query": query, "headers": headers}).encode())

    async def echo(self, exchange: Exchange) -> None:
        """Each part of the body goes back before the next is read."""
        await exchange.start(200)
        while (part := await exchange.part()) is not None:
            await exchange.more(part)
        await exchange.end()

    async def mirror(self, exchange: Exchange) -> None:
        """The body goes back once it is all there."""
        parts = []
        while (part := await exchange.part()) is not None:
            parts.append(part)
        await exchange.answer(200, b"".join(parts))

    async def hash(self, exchange: Exchange) -> None:
        """The SHA-256 of the body, and its length."""
        digest, size = hashlib.sha256(), 0
        while (part := await exchange.part()) is not None:
            digest.update(part)
            size += len(part)
        await exchange.answer(200, f"{digest.hexdigest()} {size}".encode())

    async def bytes(self, exchange: Exchange) -> None:
        """So many bytes."""
        size = int(exchange.argument)
        await exchange.start(200, [(b"content-length", str(size).encode())])
        for start in range(0, size, _CHUNK):
            phase = start % len(_PERIOD)
            await exchange.more(_REPEATED[phase : phase + min(_CHUNK, size - start)])
        await exchange.end()

    async def events(self, exchange: Exchange) -> None:
        """Server-sent events: each after the first waits for one POST to `/gate` of the same name."""
        await exchange.start(200, [(b"content-type", b"text/event-stream")])
        for number in range(4):
            if number:
                await self._gates[exchange.argument].acquire()
            await exchange.more(f"data: tick {number}\n\n".encode())
        await exchange.end()

    async def gate(self, exchange: Exchange) -> None:
        """Opens a gate for one."""
        self._gates[exchange.argument].release()
        await exchange.answer(200, b"open\n")

    async def early(self, exchange: Exchange) -> None:
        """An answer before the body is read."""
        await exchange.answer(413, b"too much\n")

    async def wait(self, exchange: Exchange) -> None:
        """Begins an answer and waits for the client to go away, or for its gate."""
        await exchange.start(200)
        await exchange.more(b"waiting\n")
        gate = asyncio.ensure_future(self._gates[exchange.argument].acquire())
        gone = asyncio.ensure_future(exchange.disconnect())
        await asyncio.wait({gate, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            gate.cancel()
            self._gone[exchange.argument].set()
        else:
            gone.cancel()
            await exchange.more(b"done\n")
            await exchange.end()

    async def gone(self, exchange: Exchange) -> None:
        """Answers once the client of `/wait` of the same name is known to have gone away."""
        await self._gone[exchange.argument].wait()
        await exchange.answer(200, b"gone\n")

    async def fail(self, exchange: Exchange) -> None:
        """An exception before the answer."""
        self._failures[exchange.argument] += 1
        raise RuntimeError("the application failed")

    async def failures(self, exchange: Exchange) -> None:
        """How often `/raise` of the same name has been asked."""
        await exchange.answer(200, str(self._failures[exchange.argument]).encode())

    async def fail_late(self, exchange: Exchange) -> None:
        """An exception in the middle of the answer."""
        await exchange.start(200)
        await exchange.more(b"half of it\n")
        raise RuntimeError("the application failed late")

    async def hop_by_hop(self, exchange: Exchange) -> None:
        """Headers that must not leave on HTTP/2 (RFC 9113, section 8.2.2)."""
        forbidden = [b"connection", b"keep-alive", b"proxy-connection", b"upgrade"]
        await exchange.answer(
            200, b"ok\n", [(name, b"x-private") for name in forbidden] + [(b"x-kept", b"1")]
        )

    async def unknown(self, exchange: Exchange) -> None:
        """404, that tells which process gave it."""
        await exchange.answer(404, b"no such path\n", [_process()])

    async def websocket(self, exchange: Exchange) -> None:
        """Echoes texts and bytes; `/refused` is not accepted; the text `close` closes with 4000."""
        await exchange.receive()
        if exchange.scope["path"] == "/refused":
            await exchange.send({"type": "websocket.close"})
            return
        offered = exchange.scope["subprotocols"]
        await exchange.send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None})
        while (message := await exchange.receive())["type"] == "websocket.receive":
            if message.get("text") == "close":
                await exchange.send({"type": "websocket.close", "code": 4000})
                return
            kind = "bytes" if message.get("bytes") is not None else "text"
            await exchange.send({"type": "websocket.send", kind: message[kind]})
        self._gone[exchange.argument].set()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: Message, receive: Receive, send: Send, argument: str) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.argument = argument
        self._ended = False

    async def part(self) -> bytes | None:
        """The next part of the body, None at its end."""
        if self._ended:
            return None
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client went away")
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def disconnect(self) -> None:
        """Returns once the client went away."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        """Status and headers."""
        await self.send({"type": "http.response.start", "status": status, "headers": headers or []})

    async def more(self, body: bytes) -> None:
        """A part that leaves at once."""
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """Nothing more."""
        await self.send({"type": "http.response.body"})

    async def answer(
        self, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        """A whole answer."""
        await self.start(status, [*(headers or []), (b"content-length", str(len(body)).encode())])
        await self.send({"type": "http.response.body", "body": body})


def _process() -> tuple[bytes, bytes]:
    return b"x-process", str(os.getpid()).encode()


app = Application()
