"""What the tests of ASGI's protocols have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from h2.settings import SettingCodes

from tests.e2e.stack.bridged import Bridged, bridged
from tests.e2e.stack.publish import Certificates

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Handler = Callable[[Event, Receive, Send], Awaitable[None]]
Serve = Callable[..., AbstractContextManager[Bridged]]

START: Event = {"type": "http.response.start", "status": 200}
END: Event = {"type": "http.response.body"}


def part(body: bytes, *, more: bool = True) -> Event:
    """A part of a response's body."""
    return {"type": "http.response.body", "body": body, "more_body": more}


async def hello(_scope: Event, _receive: Receive, send: Send) -> None:
    """A small answer."""
    await send(START)
    await send({"type": "http.response.body", "body": b"hello"})


def serving(kind: str, certificates: Certificates, loop: str) -> Serve:
    """Serves handlers of one protocol, each behind one link."""

    def serve(handler: Handler, settings: dict[SettingCodes, int] | None = None) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == kind
            await handler(scope, receive, send)

        return bridged(app, certificates, loop, settings)

    return serve
