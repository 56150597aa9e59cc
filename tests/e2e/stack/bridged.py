"""An application on a worker in this process, and the proxy that it serves: one link, frame by frame."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from h2.connection import ConnectionInputs, ConnectionState
from h2.settings import SettingCodes
from penstock.worker import ASGIApplication, WorkerPool

from tests.e2e.stack.http2 import Http2
from tests.e2e.stack.publish import Certificates

LOOPS = ["asyncio", *(["uvloop"] if find_spec("uvloop") else [])]
"""The event loops that applications may run on."""

SECONDS = 20.0


@dataclass(frozen=True)
class Bridged:
    """A proxy's end of the link, and the worker's thread."""

    peer: Http2
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop
    pool: WorkerPool
    leave: asyncio.Event

    def shutdown(self, grace: float) -> Future[bool]:
        """Begins to shut the worker down; the answer comes later."""
        return asyncio.run_coroutine_threadsafe(self.pool.shutdown(grace), self.loop)

    def finish(self) -> None:
        """Ends the worker and its thread."""
        self.peer.transport.close()
        self.shutdown(0).result(SECONDS)
        self.loop.call_soon_threadsafe(self.leave.set)
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()


@contextmanager
def bridged(
    app: ASGIApplication,
    certificates: Certificates,
    loop: str = "asyncio",
    settings: dict[SettingCodes, int] | None = None,
) -> Iterator[Bridged]:
    """The application behind one link. Raises what the start of the worker raises."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        host = _Host(app, certificates, loop, listener.getsockname()[1])
        host.thread.start()
        try:
            pool, running, leave = host.began.result(SECONDS)
        except BaseException:
            host.thread.join(SECONDS)
            raise
        peer = Http2(_accept(listener, certificates), client=True)
        _survive_goaway(peer)
        worker = Bridged(peer, host.thread, running, pool, leave)
        try:
            peer.begin(settings, reversed_=True)
            yield worker
        finally:
            worker.finish()


def _survive_goaway(peer: Http2) -> None:
    # Streams that are open go on (RFC 9113, section 6.8); the library takes GOAWAY for the end.
    machine = peer.h2.state_machine
    stays = (None, ConnectionState.CLIENT_OPEN)
    goaway = (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY)
    machine._transitions = {**machine._transitions, goaway: stays}


def _accept(listener: socket.socket, certificates: Certificates) -> socket.socket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.edge.cert, certificates.edge.key)
    context.load_verify_locations(certificates.edge.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    plain, _ = listener.accept()
    plain.settimeout(SECONDS)
    return context.wrap_socket(plain, server_side=True)


class _Host:
    """The thread that the worker's event loop runs on."""

    def __init__(self, app: ASGIApplication, certificates: Certificates, loop: str, port: int) -> None:
        self.app = app
        self.certificate = certificates.worker
        self.loop = loop
        self.port = port
        self.began: Future[tuple[WorkerPool, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_factory(self.loop)) as runner:
                runner.run(self._main())
        except BaseException as error:
            if self.began.done():
                raise
            self.began.set_exception(error)

    async def _main(self) -> None:
        own = self.certificate
        pool = WorkerPool(
            app=self.app,
            address=f"127.0.0.1:{self.port}",
            certificate=own.cert,
            key=own.key,
            ca=own.ca,
            keepalive_seconds=60,
        )
        await pool.start()
        leave = asyncio.Event()
        self.began.set_result((pool, asyncio.get_running_loop(), leave))
        await leave.wait()


def _factory(loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if loop == "asyncio":
        return None
    uvloop = import_module(loop)
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
