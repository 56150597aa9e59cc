"""The proxy as an ASGI application: another server's requests go out over the workers' links.

Every byte passes through Python, because the server that calls is Python's: a public port of the proxy's
own is several times as fast.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias
from urllib.parse import quote

from penstock import _core
from penstock.domain.errors import PenstockError
from penstock.engine.application import Event
from penstock.engine.errors import core_errors

Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
_Headers: TypeAlias = list[tuple[bytes, bytes]]

_MESSAGE_BYTES = 16 * 1024 * 1024
_TRAILERS = "http.response.trailers"
_DENIAL = "websocket.http.response"
# ASGI says it in the scope and in events; the server that calls makes the handshake.
_HANDSHAKE = {b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version"}
# RFC 6455 §7.4.1: a refusal, and a worker that was lost.
_POLICY_VIOLATION, _INTERNAL_ERROR = 1008, 1011


class MountedProxy:
    """An ASGI 3 application, on the loop that it is first called on, until :meth:`close`."""

    def __init__(self, mount: Callable[[asyncio.AbstractEventLoop], _core.Mount]) -> None:
        self._new = mount
        self._mount: _core.Mount | None = None

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Serves ``http``, ``websocket`` and ``lifespan``."""
        if scope["type"] == "http":
            await _Request(scope, receive, send).serve(self._mounted())
        elif scope["type"] == "websocket":
            await _Socket(scope, receive, send).serve(self._mounted())
        else:
            await _lifespan(receive, send)

    def close(self) -> None:
        """Takes no more; what waits for a worker never ends by itself, so requests end before."""
        if self._mount is not None:
            self._mount.close()

    def _mounted(self) -> _core.Mount:
        if self._mount is None:
            self._mount = self._new(asyncio.get_running_loop())
            self._mount.listen()
        return self._mount


class _Request:
    def __init__(self, scope: Event, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._trailers = _TRAILERS in (scope.get("extensions") or {})

    async def serve(self, mount: _core.Mount) -> None:
        first = await self._receive()
        if first["type"] != "http.request":
            return
        body, more = first.get("body", b""), first.get("more_body", False)
        with core_errors():
            exchange = mount.request(
                self._scope["method"],
                _target(self._scope),
                _headers(self._scope),
                tls=self._scope.get("scheme") == "https",
                client=_client(self._scope),
                whole=not body and not more,
            )
        upload = asyncio.create_task(self._upload(exchange, body, more))
        try:
            await self._answer(exchange)
        except PenstockError:
            # Cut: the server that calls sees no end of the body, and cuts its caller, too.
            if not upload.done() or upload.result():
                raise
        finally:
            upload.cancel()
            exchange.close()

    async def _upload(self, exchange: _core.Exchange, body: bytes, more: bool) -> bool:
        """Sends the request's body, then listens for the caller to leave. False if the caller has left."""
        wanted = not body or await exchange.write(body)
        while True:
            if not more:
                exchange.finish()
            event = await self._receive()
            if event["type"] == "http.disconnect":
                exchange.close()
                return False
            body, more = event.get("body", b""), event.get("more_body", False)
            wanted = wanted and (not body or await exchange.write(body))

    async def _answer(self, exchange: _core.Exchange) -> None:
        with core_errors():
            status, headers = await exchange.head()
            start = {"type": "http.response.start", "status": status, "headers": headers}
            await self._send({**start, "trailers": True} if self._trailers else start)
            while isinstance(piece := await exchange.read(), bytes):
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        if self._trailers:
            await self._send({"type": _TRAILERS, "headers": piece or [], "more_trailers": False})


class _Socket:
    def __init__(self, scope: Event, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send

    async def serve(self, mount: _core.Mount) -> None:
        if (await self._receive())["type"] != "websocket.connect":
            return
        with core_errors():
            socket = mount.websocket(
                _target(self._scope),
                [pair for pair in _headers(self._scope) if pair[0] not in _HANDSHAKE],
                tls=self._scope.get("scheme") == "wss",
                client=_client(self._scope),
                message_bytes=_MESSAGE_BYTES,
            )
        try:
            if await self._accept(socket):
                await self._relay(socket)
        finally:
            socket.close()

    async def _accept(self, socket: _core.Websocket) -> bool:
        with core_errors():
            accepted, status, headers = await socket.open()
        if not accepted:
            await self._deny(status, headers)
            return False
        protocol = _value(headers, b"sec-websocket-protocol")
        others = [pair for pair in headers if not pair[0].startswith(b"sec-websocket-")]
        await self._send({"type": "websocket.accept", "subprotocol": protocol, "headers": others})
        return True

    async def _deny(self, status: int, headers: _Headers) -> None:
        if _DENIAL not in (self._scope.get("extensions") or {}):
            await self._send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
            return
        kept = [pair for pair in headers if pair[0] != b"content-length"]
        await self._send({"type": f"{_DENIAL}.start", "status": status, "headers": kept})
        await self._send({"type": f"{_DENIAL}.body", "body": b"", "more_body": False})

    async def _relay(self, socket: _core.Websocket) -> None:
        out = asyncio.create_task(self._out(socket))
        try:
            code, reason = await self._back(socket)
        except PenstockError:
            code, reason = _INTERNAL_ERROR, "the worker was lost"
        finally:
            gone = out.done()
            out.cancel()
        if not gone:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _out(self, socket: _core.Websocket) -> None:
        """What the caller says, until it has left."""
        with core_errors():
            while (event := await self._receive())["type"] == "websocket.receive":
                if event.get("text") is not None:
                    await socket.send_text(event["text"])
                else:
                    await socket.send_bytes(event.get("bytes") or b"")
            await socket.send_close(event.get("code") or 1000, event.get("reason") or "")

    async def _back(self, socket: _core.Websocket) -> tuple[int, str]:
        """What the worker says, until its last word: the code and the reason."""
        with core_errors():
            while not isinstance(message := await socket.receive(), tuple):
                kind = "text" if isinstance(message, str) else "bytes"
                await self._send({"type": "websocket.send", kind: message})
        return message


async def _lifespan(receive: Receive, send: Send) -> None:
    """The proxy is started and ended by whoever owns it."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


def _target(scope: Event) -> bytes:
    """The path below where we are mounted, and the query."""
    root = str(scope.get("root_path") or "").rstrip("/")
    raw = scope.get("raw_path")
    path = str(scope["path"])
    if root and path.startswith(f"{root}/"):
        raw, path = None, path.removeprefix(root)
    encoded = bytes(raw) if raw else quote(path, safe="/:@!$&'()*+,;=-._~").encode("ascii")
    query = bytes(scope.get("query_string") or b"")
    return encoded + b"?" + query if query else encoded


def _headers(scope: Event) -> _Headers:
    return [(bytes(name), bytes(value)) for name, value in scope["headers"]]


def _client(scope: Event) -> tuple[str, int] | None:
    client = scope.get("client")
    return None if not client else (str(client[0]), int(client[1] or 0))


def _value(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    return next((value.decode("latin-1") for each, value in headers if each == name), None)
