"""What applications do wrong in ASGI's HTTP protocol: the caller is told, the link lives on."""

from __future__ import annotations

import logging
import queue
from typing import Any

import pytest
from h2.errors import ErrorCodes

from tests.e2e.stack.asgi import END, START, Event, Receive, Send, Serve, hello, part, serving
from tests.e2e.stack.bridged import LOOPS, SECONDS, bridged
from tests.e2e.stack.publish import Certificates


@pytest.fixture(params=LOOPS)
def serve(request: pytest.FixtureRequest, certificates: Certificates) -> Serve:
    """Serves a handler of requests behind one link."""
    return serving("http", certificates, request.param)


def test_an_exception_is_answered_500_and_logged_with_its_stream(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        if scope["path"] == "/raise":
            raise ValueError("on purpose")
        await hello(scope, receive, send)

    with serve(handler) as link, caplog.at_level(logging.ERROR, "penstock.worker"):
        stream = link.peer.request("/raise")
        answer = link.peer.answer(stream)
        assert (answer.status, answer.reset) == (500, None)
        assert b"on purpose" not in answer.body
        assert link.peer.answer(link.peer.request("/")).body == b"hello"
    [record] = [record for record in caplog.records if record.name == "penstock.worker"]
    assert record.getMessage() == f"Exception in ASGI application (stream {stream})"
    assert record.exc_info and record.exc_info[1] and record.exc_info[1].__traceback__
    assert str(record.exc_info[1]) == "on purpose"


def test_an_exception_after_the_head_resets_and_the_link_lives_on(serve: Serve) -> None:
    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            await hello(scope, receive, send)
            return
        await send(START)
        await send(part(b"half"))
        await receive()
        raise ValueError("on purpose")

    with serve(handler) as link:
        stream = link.peer.request("/raise", method="POST", end=False)
        assert link.peer.body_of(stream, 4) == b"half"
        link.peer.data(stream, b"x")
        assert link.peer.answer(stream).reset == ErrorCodes.INTERNAL_ERROR
        assert link.peer.answer(link.peer.request("/")).body == b"hello"


def test_an_application_that_cannot_be_called_is_answered_500(certificates: Certificates) -> None:
    def app(_scope: object, _receive: object, _send: object) -> Any:
        return None

    with bridged(app, certificates) as link:
        assert link.peer.answer(link.peer.request("/")).status == 500


@pytest.mark.parametrize("events", [[], [START]])
def test_returning_without_an_answer_is_answered_500(serve: Serve, events: list[Event]) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        for event in events:
            await send(event)

    with serve(handler) as link:
        assert link.peer.answer(link.peer.request("/")).status == 500


def test_returning_in_the_middle_of_an_answer_resets(serve: Serve) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(b"half"))

    with serve(handler) as link:
        assert link.peer.answer(link.peer.request("/")).reset == ErrorCodes.INTERNAL_ERROR


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([END], "Expected ASGI message 'http.response.start', but got 'http.response.body'."),
        ([START, START], "Expected ASGI message 'http.response.body', but got 'http.response.start'."),
        ([START, END, END], "Unexpected ASGI message 'http.response.body' sent, after response already"),
        ([{"type": "http.nonsense"}], "but got 'http.nonsense'"),
        ([{"type": "websocket.accept"}], "but got 'websocket.accept'"),
    ],
)
def test_events_out_of_order_are_refused(serve: Serve, events: list[Event], complaint: str) -> None:
    errors: queue.Queue[Exception] = queue.Queue()

    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        for event in events[:-1]:
            await send(event)
        try:
            await send(events[-1])
        except RuntimeError as error:
            errors.put(error)

    with serve(handler) as link:
        link.peer.answer(link.peer.request("/"))
        assert complaint in str(errors.get(timeout=SECONDS))


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"status": 200}, ValueError),
        ({"type": "http.response.start"}, ValueError),
        ({"type": "http.response.start", "status": 99}, ValueError),
        ({"type": "http.response.start", "status": 100}, ValueError),
        ({"type": "http.response.start", "status": "200"}, TypeError),
        ({"type": "http.response.start", "status": 200, "headers": [("a", "b")]}, TypeError),
        ({"type": "http.response.start", "status": 200, "headers": [(b"a b", b"c")]}, RuntimeError),
        ({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc: d")]}, RuntimeError),
        ({"type": "http.response.body", "body": "text"}, TypeError),
        ("http.response.start", TypeError),
    ],
)
def test_events_that_are_none_are_refused(serve: Serve, event: Event, kind: type[Exception]) -> None:
    errors: queue.Queue[Exception] = queue.Queue()

    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        try:
            await send(event)
        except (RuntimeError, TypeError, ValueError) as error:
            errors.put(error)
        await hello(scope, receive, send)

    with serve(handler) as link:
        assert link.peer.answer(link.peer.request("/")).body == b"hello"
        assert type(errors.get(timeout=SECONDS)) is kind


@pytest.mark.parametrize(("body", "word"), [(b"four", "shorter"), (b"sixsix", "longer")])
def test_another_length_than_announced_is_refused(serve: Serve, body: bytes, word: str) -> None:
    errors: queue.Queue[Exception] = queue.Queue()

    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"5")]})
        try:
            await send(part(body, more=False))
        except RuntimeError as error:
            errors.put(error)
            raise

    with serve(handler) as link:
        answer = link.peer.answer(link.peer.request("/"))
        assert (answer.status, answer.reset) == (500, None)
    assert f"Response content {word} than Content-Length" in str(errors.get(timeout=SECONDS))
