"""Stands before every request: who calls, how much may be sent, and what is logged."""

import time
from collections.abc import Awaitable, Callable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.api.problems import HttpError, problem
from penstock.domain.errors import PenstockError, internal, unauthenticated
from penstock.domain.user import Identity

ANONYMOUS_BODY_BYTES = 64 * 1024
BODY_BYTES = 1024 * 1024
_TOKEN_CHARACTERS = 512
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Identify = Callable[[str], Awaitable[Identity]]


class Gatekeeper:
    """Authenticates before the body is read, bounds the body, answers HEAD as GET, logs, and never breaks.

    It puts ``proven`` (an identity, the reason why there is none, or None without a credential) and
    ``peer`` into the request's state. The peer is what the engine says in ``X-Forwarded-For``: it alone can
    reach the socket, and it removes what callers say there.
    """

    def __init__(self, app: ASGIApp, identify: Identify) -> None:
        self._app = app
        self._identify = identify
        self._log = structlog.get_logger("penstock.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, head=scope["method"] == "HEAD")
        started = time.monotonic()
        try:
            await self._serve(scope, receive, answer)
        except Exception:  # noqa: BLE001 - whatever breaks is logged and answered
            self._log.exception("request failed", method=scope["method"], path=scope["path"])
            if not answer.status:
                await problem(internal("the request failed"))(scope, receive, answer)
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        self._log.debug(
            "request", method=scope["method"], path=scope["path"], status=answer.status, ms=milliseconds
        )

    async def _serve(self, scope: Scope, receive: Receive, answer: Send) -> None:
        headers = Headers(scope=scope)
        proven = await self._prove(headers.get("authorization"))
        limit = BODY_BYTES if isinstance(proven, Identity) else ANONYMOUS_BODY_BYTES
        if _declared_length(headers) > limit:
            await problem(_too_large(limit))(scope, receive, answer)
            return
        state = {**scope.get("state", {}), "proven": proven, "peer": _peer(scope, headers)}
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._app({**scope, "method": method, "state": state}, _bounded(receive, limit), answer)

    async def _prove(self, authorization: str | None) -> Identity | PenstockError | None:
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= _TOKEN_CHARACTERS:
            return unauthenticated("the credential is not a token", hint="send Authorization: Bearer TOKEN")
        try:
            return await self._identify(token)
        except PenstockError as error:
            return error


class _Answer:
    """Passes the answer on with the headers that every answer has, and without a body for HEAD."""

    def __init__(self, send: Send, *, head: bool) -> None:
        self._send = send
        self._head = head
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        elif self._head:
            message = {**message, "body": b""}
        await self._send(message)


def _declared_length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


def _bounded(receive: Receive, limit: int) -> Receive:
    left = limit

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(limit)
        return message

    return bounded


def _too_large(limit: int) -> PenstockError:
    return HttpError(413, f"the body is longer than {limit} bytes", hint="send less")


def _peer(scope: Scope, headers: Headers) -> str:
    """The address without its port."""
    client = scope.get("client")
    return headers.get("x-forwarded-for") or (str(client[0]) if client else "local")
