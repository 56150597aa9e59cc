"""gRPC to a published server: trailers, streams that flow both ways, cancellation, deadlines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.stack.far_end import FLAVOURS
from tests.e2e.stack.peers import HAPROXY, Peers
from tests.e2e.stack.publish import Certificates, Stage, staged
from tests.e2e.stack.waiting import until

MIB = 1 << 20


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Bytes in, bytes out."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.asked: list[dict[str, Any]] = []

    def service(self, details: Any) -> Any:
        """The handler of a method."""
        return {
            "/test.Echo/One": grpc.unary_unary_rpc_method_handler(self.one),
            "/test.Echo/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/test.Echo/Many": grpc.stream_stream_rpc_method_handler(self.many),
            "/test.Echo/Wait": grpc.unary_stream_rpc_method_handler(self.wait),
        }.get(details.method)

    def one(self, request: bytes, context: Any) -> bytes:
        """The request, with its length in the trailers."""
        self.asked.append(dict(context.invocation_metadata()))
        context.set_trailing_metadata((("x-length", str(len(request))), ("x-bytes-bin", b"\0\xff")))
        return request

    def fail(self, _request: bytes, context: Any) -> bytes:
        """No answer but a status."""
        context.set_trailing_metadata((("x-why", "so"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "it is not so: ü")
        raise AssertionError("abort raises")

    def many(self, requests: Iterator[bytes], _context: Any) -> Iterator[bytes]:
        """Each as soon as it comes."""
        yield from requests

    def wait(self, request: bytes, context: Any) -> Iterator[bytes]:
        """One answer, and another after the caller has gone."""
        context.add_callback(self.cancelled.set)
        yield request
        self.cancelled.wait(30)


@pytest.fixture(scope="module")
def echo() -> Iterator[tuple[Echo, int]]:
    """The server, in clear, and its port."""
    handler = Echo()
    server = grpc.server(ThreadPoolExecutor(8), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler, port
    server.stop(0).wait(10)


def by_haproxy(release: str) -> Callable[[Stage, int], int]:
    """A worker that dials HAProxy."""

    def start(stage: Stage, port: int) -> int:
        edge = stage.edge(release)
        stage.worker(edge.tunnel_port, f"h2c://127.0.0.1:{port}")
        return edge.public_port

    return start


def by_proxy(flavour: str) -> Callable[[Stage, int], int]:
    """A worker that dials a proxy."""

    def start(stage: Stage, port: int) -> int:
        proxy = stage.proxy()
        stage.worker(proxy.tunnel_port, f"h2c://127.0.0.1:{port}", "--flavour", flavour)
        return proxy.public_port

    return start


WAYS = {f"haproxy-{release}": by_haproxy(release) for release in HAPROXY} | {
    f"proxy-{flavour}": by_proxy(flavour) for flavour in FLAVOURS
}


@pytest.fixture(scope="module", params=WAYS)
def channel(
    request: pytest.FixtureRequest,
    root: Path,
    peers: Peers,
    certificates: Certificates,
    echo: tuple[Echo, int],
) -> Iterator[grpc.Channel]:
    """A client's channel to the public port of each way."""
    with staged(root / f"grpc-{request.param}", peers, certificates) as stage:
        port = WAYS[request.param](stage, echo[1])
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            until("the server answers", lambda: _answers(channel))
            yield channel


def _answers(channel: grpc.Channel) -> bool:
    try:
        return bool(channel.unary_unary("/test.Echo/One")(b"?", timeout=5) == b"?")
    except grpc.RpcError:
        return False


def test_trailers(channel: grpc.Channel, echo: tuple[Echo, int]) -> None:
    """Of an answer; binary ones, too. Metadata arrives as it was sent."""
    answer, call = channel.unary_unary("/test.Echo/One").with_call(
        b"x" * MIB, metadata=[("x-asked", "1"), ("x-asked-bin", b"\0\1")], timeout=30
    )
    assert answer == b"x" * MIB
    assert call.code() is grpc.StatusCode.OK
    assert {("x-length", str(MIB)), ("x-bytes-bin", b"\0\xff")} <= set(call.trailing_metadata())
    assert (echo[0].asked[-1]["x-asked"], echo[0].asked[-1]["x-asked-bin"]) == ("1", b"\0\1")


def test_a_status_without_an_answer(channel: grpc.Channel) -> None:
    """Trailers only."""
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/test.Echo/Fail")(b"?", timeout=30)
    error: Any = failed.value
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "it is not so: ü")
    assert ("x-why", "so") in error.trailing_metadata()


def test_a_method_that_is_not_there(channel: grpc.Channel) -> None:
    """UNIMPLEMENTED by the server itself."""
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/test.Echo/Nothing")(b"?", timeout=30)
    error: Any = failed.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_both_directions_at_once(channel: grpc.Channel) -> None:
    """Each message comes back before the next is sent."""
    turn = threading.Semaphore(1)

    def messages() -> Iterator[bytes]:
        for number in range(20):
            turn.acquire(timeout=30)
            yield b"%d" % number * 1000

    answers = channel.stream_stream("/test.Echo/Many")(messages(), timeout=60)
    for number in range(20):
        assert next(answers) == b"%d" % number * 1000
        turn.release()
    assert list(answers) == []


def test_a_call_that_is_cancelled(channel: grpc.Channel, echo: tuple[Echo, int]) -> None:
    """The server hears of it."""
    echo[0].cancelled.clear()
    call = channel.unary_stream("/test.Echo/Wait")(b"first", timeout=60)
    assert next(call) == b"first"
    call.cancel()
    assert echo[0].cancelled.wait(20)


def test_many_calls_at_once(channel: grpc.Channel) -> None:
    """Sixty-four of 64 KiB."""
    call = channel.unary_unary("/test.Echo/One")
    futures = [call.future(bytes([number]) * 65536, timeout=60) for number in range(64)]
    assert [future.result() for future in futures] == [bytes([number]) * 65536 for number in range(64)]
