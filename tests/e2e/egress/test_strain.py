"""Very many tunnels, and nothing left to open one with."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.e2e.egress.conftest import Scene, Start
from tests.e2e.stack.destination import HELLO
from tests.e2e.stack.egress import Egress
from tests.e2e.stack.http2 import dial
from tests.e2e.stack.tunnel import tunnel
from tests.e2e.stack.waiting import until

MANY = 10_000
FEW_HUNDRED = 700
"""Descriptors for everything else."""
KIB_PER_TUNNEL = 40
AT_ONCE = 250
"""Fewer than wait in the backlog of any port."""
ASKED = "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nhost: x\r\nproxy-authorization: Bearer {key}\r\n\r\n"
WIDE = "\n".join(
    f"[breakers.{scope}]\nconnections = 20_000\npending = 20_000\nrequests = 20_000\n"
    for scope in ("overall", "destination")
)


@pytest.mark.timeout(600)
def test_thousands_of_tunnels_stand_still_and_all_go_on(scene: Scene, start: Start) -> None:
    with descriptors() as allowed, echo() as port, ExitStack() as stack:
        many = min(MANY, (allowed - FEW_HUNDRED) // 2)
        assert many >= 1_500, "raise `ulimit -Hn`"
        proxy = start(scene.configuration() + WIDE + "[limits]\nconnections = 20_000\n")
        memory = psutil.Process(proxy.process.pid).memory_info
        before = memory().rss
        tunnels: list[socket.socket] = []
        while len(tunnels) < many:
            some = [dial(proxy.port) for _ in range(min(AT_ONCE, many - len(tunnels)))]
            tunnels += map(stack.enter_context, some)
            for opened in some:
                opened.sendall(ASKED.format(port=port, key=scene.key).encode())
            assert all(opened.recv(4096).startswith(b"HTTP/1.1 200") for opened in some)
        until("all are open", lambda: _active(proxy) == many)
        assert memory().rss - before < many * KIB_PER_TUNNEL * 1024
        for opened in tunnels:
            opened.sendall(b"x")
        assert all(opened.recv(1) == b"x" for opened in tunnels)
        with proxy.client(scene.user) as client:
            assert client.get(scene.url()).content == HELLO
    until("all are gone", lambda: _active(proxy) == 0, 60)


def test_without_descriptors_it_waits_and_others_recover(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration())
    pid, target = proxy.process.pid, f"origin.test:{scene.destination.port}"
    with tunnel(proxy.port, target, scene.user) as opened:
        assert opened.get() == HELLO
        used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(
            pid, resource.RLIMIT_NOFILE, (used + 20, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
        with ExitStack() as crowd:
            for _ in range(60):
                crowd.enter_context(dial(proxy.port))
            until("it cannot accept", lambda: _refusals(proxy) >= 1)
            began, seen = time.monotonic(), _refusals(proxy)
            until("it tries again", lambda: _refusals(proxy) >= seen + 6)
            # Five pauses of a tenth of a second lie between, at the least.
            assert time.monotonic() - began > 0.3, "it spins"
            assert opened.get() == HELLO, "what is open goes on"
        with proxy.client(scene.user) as client:
            until("others are served", lambda: client.get(scene.url()).content == HELLO)
        with tunnel(proxy.port, target, scene.user) as another:
            assert another.get() == HELLO
        proxy.reconfigure(scene.configuration() + "# The file is followed as before.\n")


def _refusals(proxy: Egress) -> int:
    return proxy.process.log.read_text("utf-8").count("cannot accept")


def _active(proxy: Egress) -> int:
    return int(proxy.admin("stats").json()["http.egress.downstream_tunnels_active"])


@contextmanager
def descriptors() -> Iterator[int]:
    """As many as the system lets this process and its children open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = 1_048_576 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    try:
        yield allowed
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def echo() -> Iterator[int]:
    """Sends back every byte to however many; at this port."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server, selectors.DefaultSelector() as ready:
        server.setblocking(False)
        ready.register(server, selectors.EVENT_READ)
        open_ones: set[socket.socket] = set()

        def serve() -> None:
            while not ended.is_set():
                for key, _ in ready.select(0.1):
                    if key.fileobj is server:
                        _accept(server, ready, open_ones)
                    elif isinstance(key.fileobj, socket.socket):
                        _answer(key.fileobj, ready, open_ones)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        ended.set()
        thread.join(20)
        for one in open_ones:
            one.close()


def _accept(server: socket.socket, ready: selectors.BaseSelector, open_ones: set[socket.socket]) -> None:
    with suppress(BlockingIOError):
        while True:
            one, _ = server.accept()
            open_ones.add(one)
            ready.register(one, selectors.EVENT_READ)


def _answer(one: socket.socket, ready: selectors.BaseSelector, open_ones: set[socket.socket]) -> None:
    try:
        data = one.recv(4096)
    except ConnectionResetError:
        data = b""
    if data:
        one.sendall(data)
        return
    ready.unregister(one)
    open_ones.discard(one)
    one.close()
