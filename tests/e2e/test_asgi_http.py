"""ASGI's HTTP protocol, between an application and the frames of its link."""

from __future__ import annotations

import asyncio
import hashlib
import queue
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from h2.errors import ErrorCodes
from h2.events import DataReceived, StreamEnded, StreamReset, WindowUpdated
from h2.settings import SettingCodes

from tests.e2e.stack.asgi import END, START, Event, Receive, Send, Serve, hello, part, serving
from tests.e2e.stack.bridged import LOOPS, SECONDS
from tests.e2e.stack.publish import Certificates


@pytest.fixture(params=LOOPS)
def serve(request: pytest.FixtureRequest, certificates: Certificates) -> Serve:
    """Serves a handler of requests behind one link."""
    return serving("http", certificates, request.param)


def test_the_scope_says_all_of_a_request(serve: Serve) -> None:
    scopes: queue.Queue[Event] = queue.Queue()

    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        scopes.put(scope)
        await hello(scope, receive, send)

    with serve(handler) as link:
        fields = [
            (b"x-forwarded-for", b"192.0.2.66, 198.51.100.7"),
            (b"x-forwarded-proto", b"https"),
            (b"cookie", b"a=1"),
            (b"x-twice", b"1"),
            (b"cookie", b"b=2"),
            (b"x-twice", b"2"),
        ]
        stream = link.peer.request("/a%20b/%C3%A9?q=%20", authority="shop.example:8080", more=fields)
        assert link.peer.answer(stream).body == b"hello"
    scope = scopes.get_nowait()
    assert scope.pop("headers") == [
        (b"host", b"shop.example:8080"),
        (b"x-forwarded-for", b"192.0.2.66, 198.51.100.7"),
        (b"x-forwarded-proto", b"https"),
        (b"x-twice", b"1"),
        (b"x-twice", b"2"),
        (b"cookie", b"a=1; b=2"),
    ]
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "2",
        "method": "GET",
        "scheme": "https",
        "path": "/a b/é",
        "raw_path": b"/a%20b/%C3%A9",
        "query_string": b"q=%20",
        "root_path": "",
        # What the proxy itself has added, not what the caller claims.
        "client": ("198.51.100.7", 0),
        "server": ("shop.example", 8080),
        "state": {},
        "extensions": {"http.response.trailers": {}},
    }


def test_scopes_are_not_shared(serve: Serve) -> None:
    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        assert "mark" not in scope["extensions"] | scope["asgi"] | scope["state"] | scope
        for held in (scope["extensions"], scope["asgi"], scope["state"], scope):
            held["mark"] = True
        await hello(scope, receive, send)

    with serve(handler) as link:
        assert [link.peer.answer(link.peer.request("/")).status for _ in range(3)] == [200] * 3


def test_a_request_without_a_body_is_one_event(serve: Serve) -> None:
    events: queue.Queue[Event] = queue.Queue()

    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        events.put(await receive())
        await hello(scope, receive, send)
        events.put(await receive())
        events.put(await receive())

    with serve(handler) as link:
        link.peer.answer(link.peer.request("/"))
        got = [events.get(timeout=SECONDS) for _ in range(3)]
    assert got[0] == {"type": "http.request", "body": b"", "more_body": False}
    assert got[1:] == [{"type": "http.disconnect"}] * 2


def test_parts_of_a_body_arrive_before_its_end_and_leave_at_once(serve: Serve) -> None:
    async def echo(_scope: Event, receive: Receive, send: Send) -> None:
        await send(START)
        more = True
        while more:
            event = await receive()
            more = event["more_body"]
            await send(part(event["body"], more=more))

    with serve(echo) as link:
        stream = link.peer.request("/", method="POST", end=False)
        for number in range(1, 4):
            link.peer.data(stream, b"x")
            link.peer.body_of(stream, number)
        link.peer.data(stream, b"", end=True)
        answer = link.peer.answer(stream)
    assert (answer.body, answer.reset) == (b"xxx", None)


def test_a_small_answer_ends_with_its_only_frame(serve: Serve) -> None:
    with serve(hello) as link:
        stream = link.peer.request("/")
        link.peer.answer(stream)
        frames = [event for event in link.peer.events if isinstance(event, DataReceived)]
        ended = link.peer.event(StreamEnded, stream)
    assert [(frame.data, frame.stream_ended) for frame in frames] == [(b"hello", ended)]


def test_an_application_that_does_not_receive_is_not_sent_more(serve: Serve) -> None:
    gates: queue.Queue[Callable[[], object]] = queue.Queue()
    body = bytes(range(256)) * 16 * 1024

    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        if scope["path"] == "/other":
            await hello(scope, receive, send)
            return
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()
        gates.put(lambda: loop.call_soon_threadsafe(gate.set))
        await gate.wait()
        digest, more = hashlib.sha256(), True
        while more:
            event = await receive()
            digest.update(event["body"])
            more = event["more_body"]
        await send(START)
        await send(part(digest.digest(), more=False))

    with serve(handler) as link:
        peer = link.peer
        stream = peer.request("/", method="POST", end=False)
        peer.until("settings", lambda: peer.h2.local_flow_control_window(stream) > 65_535 or None)
        window = peer.h2.local_flow_control_window(stream)
        assert window < len(body)
        peer.data(stream, body[:window])
        opened = gates.get(timeout=SECONDS)
        # Its answer comes after any credit that had been given back.
        assert peer.answer(peer.request("/other")).status == 200
        assert peer.h2.local_flow_control_window(stream) == 0
        opened()
        peer.event(WindowUpdated, stream)
        peer.data(stream, body[window:], end=True)
        assert peer.answer(stream).body == hashlib.sha256(body).digest()


def test_send_waits_for_the_callers_credit(serve: Serve) -> None:
    body = bytes(range(251)) * 4096
    sent: queue.Queue[str] = queue.Queue()

    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send(START)
        await send(part(body))
        sent.put("first")
        await send(part(body, more=False))
        sent.put("last")

    with serve(handler, {SettingCodes.INITIAL_WINDOW_SIZE: 1000}) as link:
        link.peer.acknowledge = False
        stream = link.peer.request("/")
        assert link.peer.body_of(stream, 1000) == body[:1000]
        assert sent.empty()
        link.peer.acknowledge = True
        link.peer.h2.increment_flow_control_window(1 << 20, stream)
        link.peer.h2.increment_flow_control_window(1 << 20)
        link.peer.flush()
        assert link.peer.answer(stream).body == body * 2
        assert [sent.get(timeout=SECONDS) for _ in range(2)] == ["first", "last"]


def test_bodies_may_be_anything_that_holds_bytes(serve: Serve) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send(START)
        large: list[Any] = [b"a" * 70_000, bytearray(b"b" * 70_000), memoryview(b"c" * 70_000)]
        for body in [b"x", bytearray(b"y"), memoryview(b"z"), None, *large]:
            await send(part(body))
        await send(END)

    with serve(handler) as link:
        body = link.peer.answer(link.peer.request("/")).body
    assert body == b"xyz" + b"a" * 70_000 + b"b" * 70_000 + b"c" * 70_000


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_announced_length_is_kept(serve: Serve, method: str) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send({**START, "headers": [[b"Content-Length", b"5"]]})
        await send(part(b"hel"))
        await send(part(b"lo", more=False))

    with serve(handler) as link:
        answer = link.peer.answer(link.peer.request("/", method=method))
    assert (b"content-length", b"5") in answer.headers
    assert answer.body == (b"hello" if method == "GET" else b"")
    assert answer.reset in (None, ErrorCodes.NO_ERROR)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(serve: Serve, status: int) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send({**START, "status": status})
        await send(part(b"not allowed", more=False))

    with serve(handler) as link:
        answer = link.peer.answer(link.peer.request("/"))
    assert (answer.status, answer.body) == (status, b"")


def test_headers_of_one_hop_do_not_leave(serve: Serve) -> None:
    one_hop = [b"Connection", b"Keep-Alive", b"Proxy-Connection", b"Transfer-Encoding", b"Upgrade"]

    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        headers = [(name, b"x-named") for name in one_hop]
        await send({**START, "headers": [*headers, (b"X-Named", b"1"), (b"X-Kept", b"1")]})
        await send(END)

    with serve(handler) as link:
        assert link.peer.answer(link.peer.request("/")).headers == [(b":status", b"200"), (b"x-kept", b"1")]


def test_trailers_follow_the_body(serve: Serve) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send({**START, "trailers": True})
        await send(part(b"hello", more=False))
        await send({"type": "http.response.trailers", "headers": [(b"a", b"1")], "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]})

    with serve(handler) as link:
        answer = link.peer.answer(link.peer.request("/"))
    assert (answer.body, answer.trailers) == (b"hello", [(b"a", b"1"), (b"grpc-status", b"0")])


def test_an_early_answer_stops_the_upload(serve: Serve) -> None:
    async def handler(_scope: Event, _receive: Receive, send: Send) -> None:
        await send({**START, "status": 413})
        await send(END)

    with serve(handler) as link:
        stream = link.peer.request("/", method="POST", end=False)
        link.peer.data(stream, b"x" * 1000)
        link.peer.event(StreamReset, stream)
        answer = link.peer.so_far(stream)
    assert (answer.status, answer.reset) == (413, ErrorCodes.NO_ERROR)


@pytest.mark.parametrize("uploaded", [False, True])
@pytest.mark.parametrize("begun", [False, True])
def test_a_caller_that_leaves_is_noticed(serve: Serve, *, uploaded: bool, begun: bool) -> None:
    seen: queue.Queue[object] = queue.Queue()

    async def handler(_scope: Event, receive: Receive, send: Send) -> None:
        if begun:
            await send(START)
            await send(part(b"begun"))
        if uploaded:
            await receive()
        seen.put("waiting")
        seen.put((await receive())["type"])
        try:
            await send(part(b"more") if begun else START)
            await send(part(b"more"))
        except OSError as error:
            seen.put(error)

    with serve(handler) as link:
        stream = link.peer.request("/", method="POST", end=uploaded)
        if begun:
            link.peer.body_of(stream, 5)
        assert seen.get(timeout=SECONDS) == "waiting"
        link.peer.h2.reset_stream(stream, ErrorCodes.CANCEL)
        link.peer.flush()
        assert seen.get(timeout=SECONDS) == "http.disconnect"
        assert isinstance(seen.get(timeout=SECONDS), ConnectionResetError)


def test_a_link_that_dies_is_noticed(serve: Serve) -> None:
    seen: queue.Queue[str] = queue.Queue()

    async def handler(_scope: Event, receive: Receive, _send: Send) -> None:
        seen.put((await receive())["type"])
        seen.put((await receive())["type"])

    with serve(handler) as link:
        link.peer.request("/")
        assert seen.get(timeout=SECONDS) == "http.request"
        link.peer.transport.close()
        assert seen.get(timeout=SECONDS) == "http.disconnect"


def test_who_listens_for_the_caller_hears_of_the_answers_end(serve: Serve) -> None:
    seen: queue.Queue[str] = queue.Queue()

    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        await receive()
        # A task of its own, as frameworks make them: the awaitable has to be a coroutine.
        listening = asyncio.create_task(cast("Coroutine[None, None, Event]", receive()))
        await asyncio.sleep(0)
        assert not listening.done()
        await hello(scope, receive, send)
        seen.put((await listening)["type"])

    with serve(handler) as link:
        assert link.peer.answer(link.peer.request("/")).status == 200
        assert seen.get(timeout=SECONDS) == "http.disconnect"


def test_giving_up_to_receive_loses_nothing(serve: Serve) -> None:
    given_up = queue.Queue[bool]()

    async def handler(_scope: Event, receive: Receive, send: Send) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        given_up.put(True)
        body = (await receive())["body"]
        await send(START)
        await send(part(body, more=False))

    with serve(handler) as link:
        stream = link.peer.request("/", method="POST", end=False)
        assert given_up.get(timeout=SECONDS)
        link.peer.data(stream, b"late", end=True)
        assert link.peer.answer(stream).body == b"late"


def test_tunnels_are_refused(serve: Serve) -> None:
    with serve(hello) as link:
        plain = link.peer.headers([(b":method", b"CONNECT"), (b":authority", b"db:5432")], end=False)
        assert link.peer.answer(plain).status == 400
        head = [(b":method", b"CONNECT"), (b":protocol", b"connect-udp"), (b":scheme", b"https")]
        other = link.peer.headers([*head, (b":authority", b"a"), (b":path", b"/")], end=False)
        assert link.peer.answer(other).status == 501


def test_requests_that_come_together_are_all_answered(serve: Serve) -> None:
    async def handler(scope: Event, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        # The answer is complete, and leaves whatever happens afterwards.
        if scope["path"] == "/raise":
            raise ValueError("on purpose")
        if scope["path"] == "/listen":
            assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
            assert await receive() == {"type": "http.disconnect"}

    with serve(handler) as link:
        streams = []
        for path in [b"/", b"/raise", b"/listen"] * 20:
            streams.append(link.peer.h2.get_next_available_stream_id())
            head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", path)]
            link.peer.h2.send_headers(streams[-1], head, end_stream=True)
        link.peer.flush()
        answers = [link.peer.answer(stream) for stream in streams]
    assert [(answer.status, answer.body, answer.reset) for answer in answers] == [(200, b"hello", None)] * 60


def test_many_at_once_do_not_mix(serve: Serve) -> None:
    async def mirror(_scope: Event, receive: Receive, send: Send) -> None:
        parts, more = [], True
        while more:
            event = await receive()
            parts.append(event["body"])
            more = event["more_body"]
            await asyncio.sleep(0)
        await send(START)
        await send(part(b"".join(parts), more=False))

    with serve(mirror) as link:
        bodies = {
            link.peer.request("/", method="POST", end=False): bytes([number]) * 50_000 for number in range(64)
        }
        for stream, body in bodies.items():
            link.peer.data(stream, body, end=True)
        assert {stream: link.peer.answer(stream).body for stream in bodies} == bodies
