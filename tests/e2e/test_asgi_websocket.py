"""ASGI's websocket protocol, between an application and the frames of its link (RFC 8441)."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from websockets.frames import CloseCode, Opcode

from tests.e2e.stack.asgi import Event, Handler, Receive, Send, Serve, serving
from tests.e2e.stack.bridged import LOOPS, SECONDS
from tests.e2e.stack.publish import Certificates
from tests.e2e.stack.websocket import Socket

ACCEPT: Event = {"type": "websocket.accept"}


@pytest.fixture(params=LOOPS)
def serve(request: pytest.FixtureRequest, certificates: Certificates) -> Serve:
    """Serves a handler of websockets, which have been told to connect, behind one link."""
    plain = serving("websocket", certificates, request.param)

    def made(handler: Handler, settings: dict[SettingCodes, int] | None = None) -> Any:
        async def connected(scope: Event, receive: Receive, send: Send) -> None:
            assert await receive() == {"type": "websocket.connect"}
            await handler(scope, receive, send)

        return plain(connected, settings)

    return made


async def echo(_scope: Event, receive: Receive, send: Send) -> None:
    """Sends back what it receives."""
    await send(ACCEPT)
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


def test_messages_pass_both_ways(serve: Serve) -> None:
    with serve(echo) as link:
        socket = Socket(link.peer)
        assert socket.headers == {b":status": b"200"}
        large = bytes(range(256)) * 2000
        socket.protocol.send_text("grüß".encode())
        socket.protocol.send_binary(large)
        socket.protocol.send_text(b"in ", fin=False)
        socket.protocol.send_continuation(b"parts", fin=True)
        socket.flush()
        got = [socket.frame() for _ in range(3)]
    texts = [(Opcode.TEXT, "grüß".encode()), (Opcode.BINARY, large), (Opcode.TEXT, b"in parts")]
    assert [(frame.opcode, bytes(frame.data)) for frame in got] == texts


def test_the_scope_says_all_of_a_websocket(serve: Serve) -> None:
    scopes: queue.Queue[Event] = queue.Queue()

    async def handler(scope: Event, _receive: Receive, send: Send) -> None:
        scopes.put(scope)
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-kept", b"1")]})

    with serve(handler) as link:
        socket = Socket(link.peer, "/chat?room=1", (b"sec-websocket-protocol", b"a, b"))
        assert socket.headers == {b":status": b"200", b"x-kept": b"1", b"sec-websocket-protocol": b"b"}
    assert scopes.get_nowait() == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "2",
        "scheme": "wss",
        "path": "/chat",
        "raw_path": b"/chat",
        "query_string": b"room=1",
        "root_path": "",
        "headers": [(b"host", b"shop.example"), (b"sec-websocket-protocol", b"a, b")],
        "client": None,
        "server": ("shop.example", 443),
        "subprotocols": ["a", "b"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


def test_a_ping_is_answered(serve: Serve) -> None:
    with serve(echo) as link:
        socket = Socket(link.peer)
        socket.protocol.send_ping(b"you there?")
        socket.flush()
        frame = socket.frame()
    assert (frame.opcode, bytes(frame.data)) == (Opcode.PONG, b"you there?")


@pytest.mark.parametrize(("code", "told"), [(1000, 1000), (4321, 4321), (None, 1005)])
def test_the_callers_close_is_told_and_answered(serve: Serve, code: int | None, told: int) -> None:
    seen: queue.Queue[object] = queue.Queue()

    async def handler(_scope: Event, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        seen.put(await receive())
        try:
            await send({"type": "websocket.send", "text": "late"})
        except OSError as error:
            seen.put(error)

    with serve(handler) as link:
        socket = Socket(link.peer)
        assert socket.headers
        socket.protocol.send_close(code, "bye" if code else "")
        socket.flush()
        assert socket.frame().opcode is Opcode.CLOSE
        assert link.peer.answer(socket.stream).reset in (None, ErrorCodes.NO_ERROR)
    reason = "bye" if code else ""
    assert seen.get(timeout=SECONDS) == {"type": "websocket.disconnect", "code": told, "reason": reason}
    assert isinstance(seen.get(timeout=SECONDS), ConnectionResetError)


def test_the_applications_close_reaches_the_caller(serve: Serve) -> None:
    seen: queue.Queue[object] = queue.Queue()

    async def handler(_scope: Event, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": "last words"})
        await send({"type": "websocket.close", "code": 4001, "reason": "bye"})
        seen.put(await receive())
        try:
            await send({"type": "websocket.send", "text": "late"})
        except RuntimeError as error:
            seen.put(str(error))

    with serve(handler) as link:
        socket = Socket(link.peer)
        assert bytes(socket.frame().data) == b"last words"
        frame = socket.frame()
        assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, b"\x0f\xa1bye")
        # The answer to the close went out with the frame; then the stream ends in order.
        assert link.peer.answer(socket.stream).reset in (None, ErrorCodes.NO_ERROR)
        assert seen.get(timeout=SECONDS) == {"type": "websocket.disconnect", "code": 4001, "reason": "bye"}
        assert "after sending 'websocket.close'" in str(seen.get(timeout=SECONDS))


def test_returning_closes(serve: Serve) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send(ACCEPT)

    with serve(handler) as link:
        frame = Socket(link.peer).frame()
    assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, CloseCode.NORMAL_CLOSURE.to_bytes(2))


def test_an_exception_closes_with_an_error(serve: Serve) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        raise ValueError("on purpose")

    with serve(handler) as link:
        frame = Socket(link.peer).frame()
    assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, CloseCode.INTERNAL_ERROR.to_bytes(2))


@pytest.mark.parametrize(
    ("events", "status"), [([], 500), ([{"type": "websocket.close", "code": 1000}], 403)]
)
def test_a_websocket_that_is_not_accepted_is_answered(serve: Serve, events: list[Event], status: int) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        for event in events:
            await send(event)

    with serve(handler) as link:
        answer = link.peer.answer(Socket(link.peer).stream)
    assert answer.status == status


def test_a_websocket_may_be_denied_with_a_response(serve: Serve) -> None:
    seen: queue.Queue[object] = queue.Queue()

    async def handler(_scope: Event, receive: Receive, send: Send) -> None:
        head = {"status": 401, "headers": [(b"www-authenticate", b"Bearer")]}
        await send({"type": "websocket.http.response.start", **head})
        await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"are you?"})
        seen.put((await receive())["type"])

    with serve(handler) as link:
        answer = link.peer.answer(Socket(link.peer).stream)
        assert (answer.status, answer.body) == (401, b"who are you?")
        assert (b"www-authenticate", b"Bearer") in answer.headers
        assert seen.get(timeout=SECONDS) == "websocket.disconnect"


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([{"type": "websocket.send", "text": ""}], "Expected ASGI message 'websocket.accept'"),
        ([{"type": "http.response.start", "status": 200}], "Expected ASGI message 'websocket.accept'"),
        ([ACCEPT, ACCEPT], "Expected ASGI message 'websocket.send' or 'websocket.close'"),
        ([{"type": "websocket.http.response.start", "status": 401}, ACCEPT], "websocket.http.response.body"),
        ([{"type": "websocket.close"}, ACCEPT], "after sending 'websocket.close'"),
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
        Socket(link.peer)
        assert complaint in str(errors.get(timeout=SECONDS))


MASKED = b"\x81\x82\0\0\0\0"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02ab", CloseCode.PROTOCOL_ERROR),
        (b"\x83\x80\0\0\0\0", CloseCode.PROTOCOL_ERROR),
        (MASKED + b"\xc3\x28", CloseCode.INVALID_DATA),
        (b"\x82\xff" + (1 << 40).to_bytes(8) + b"\0\0\0\0", CloseCode.MESSAGE_TOO_BIG),
    ],
)
def test_a_caller_that_breaks_the_protocol_is_told(serve: Serve, data: bytes, code: CloseCode) -> None:
    seen: queue.Queue[Event] = queue.Queue()

    async def handler(_scope: Event, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        seen.put(await receive())

    with serve(handler) as link:
        socket = Socket(link.peer)
        link.peer.data(socket.stream, data)
        frame = socket.frame()
        assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, code.to_bytes(2))
        assert seen.get(timeout=SECONDS)["code"] == code


@pytest.mark.parametrize("accepted", [False, True])
def test_a_caller_that_vanishes_is_noticed(serve: Serve, *, accepted: bool) -> None:
    seen: queue.Queue[Event] = queue.Queue()

    async def handler(_scope: Event, receive: Receive, send: Send) -> None:
        if accepted:
            await send(ACCEPT)
        seen.put({})
        seen.put(await receive())

    with serve(handler) as link:
        socket = Socket(link.peer)
        assert seen.get(timeout=SECONDS) == {}
        link.peer.h2.reset_stream(socket.stream, ErrorCodes.CANCEL)
        link.peer.flush()
        event = seen.get(timeout=SECONDS)
    assert (event["type"], event["code"]) == ("websocket.disconnect", CloseCode.ABNORMAL_CLOSURE)


def test_send_waits_for_the_callers_credit(serve: Serve) -> None:
    sent: queue.Queue[bool] = queue.Queue()
    message = bytes(range(256)) * 4096

    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await send({"type": "websocket.send", "bytes": message})
        sent.put(True)

    with serve(handler, {SettingCodes.INITIAL_WINDOW_SIZE: 1000}) as link:
        link.peer.acknowledge = False
        socket = Socket(link.peer)
        link.peer.body_of(socket.stream, 1000)
        assert sent.empty()
        link.peer.h2.increment_flow_control_window(1 << 21, socket.stream)
        link.peer.h2.increment_flow_control_window(1 << 21)
        link.peer.flush()
        assert bytes(socket.frame().data) == message
        assert sent.get(timeout=SECONDS)


def test_a_shutdown_closes_with_its_code(serve: Serve) -> None:
    seen: queue.Queue[Event] = queue.Queue()

    async def handler(_scope: Event, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": "hello"})
        seen.put(await receive())

    with serve(handler) as link:
        assert bytes(Socket(link.peer).frame().data) == b"hello"
        link.shutdown(0).result(SECONDS)
    assert seen.get(timeout=SECONDS)["type"] == "websocket.disconnect"
