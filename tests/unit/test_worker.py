"""The library of workers, with a proxy of the library before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from penstock import MutualTLSRequired, ReverseProxy, WorkerPool
from penstock.clock import SystemClock
from penstock.domain.certificate import CertificateFiles, NewCertificate
from penstock.domain.errors import PenstockError
from penstock.identity.peers import PeerAuthority

pytestmark = pytest.mark.anyio

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

VACANT = "127.0.0.1:1"


@dataclass(frozen=True)
class Pki:
    """One authority's certificates."""

    server: CertificateFiles
    worker: CertificateFiles


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Of a listener on this machine, and of a worker."""
    authority = PeerAuthority(tmp_path_factory.mktemp("home"), SystemClock())
    authority.init()
    day = timedelta(days=1)
    server = authority.issue(NewCertificate("localhost", day, ("127.0.0.1",), server=True), None)
    return Pki(server, authority.issue(NewCertificate("worker", day, (), server=False), None))


@pytest.fixture
async def proxy(pki: Pki, anyio_backend: str) -> AsyncIterator[ReverseProxy]:
    """A proxy on free ports."""
    free = "127.0.0.1:0"
    files = pki.server
    async with ReverseProxy(
        certificate=files.cert,
        key=files.key,
        workers_ca=files.authority.path,
        tunnel_listen=free,
        public_listen=free,
    ) as proxy:
        yield proxy


class Application:
    """Says hello, and notes how it was started and ended."""

    def __init__(self, *, fails: bool = False) -> None:
        self.life: list[str] = []
        self._fails = fails

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.life.append("started")
        if self._fails:
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.life.append("ended")
        await send({"type": "lifespan.shutdown.complete"})


def pool(pki: Pki, address: str = VACANT, **options: Any) -> WorkerPool:
    """A worker of the authority's."""
    files = pki.worker
    return WorkerPool(
        address=address, certificate=files.cert, key=files.key, ca=files.authority.path, **options
    )


@pytest.mark.parametrize("missing", ["certificate", "key"])
async def test_a_worker_without_a_certificate_is_none(missing: str) -> None:
    given: dict[str, Any] = {"certificate": "c", "key": "k", missing: None}
    with pytest.raises(MutualTLSRequired) as refused:
        WorkerPool(address=VACANT, upstream="http://127.0.0.1:1", **given)
    assert refused.value.hint is not None and "pki issue" in refused.value.hint


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "app"),
        ({"app": Application(), "upstream": "http://a"}, "app"),
        ({"upstream": "http://a", "connections": 0}, "connections"),
        ({"upstream": "http://a", "max_concurrent_streams": 0}, "max_concurrent_streams"),
        ({"upstream": "http://a", "keepalive_seconds": 0}, "keepalive_seconds"),
        ({"upstream": "http://a", "address": "https://proxy"}, "address"),
        ({"upstream": "http://a", "upstream_ca": "/nowhere/ca.pem"}, "upstream_ca"),
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused_by_name(pki: Pki, options: dict[str, Any], named: str) -> None:
    with pytest.raises(PenstockError) as refused:
        pool(pki, **options)
    assert named in refused.value.message and refused.value.hint


@pytest.mark.parametrize("upstream", ["ftp://a", "127.0.0.1:8000", "unix:app.sock", "http://a/path"])
async def test_an_upstream_that_is_none_is_refused_when_it_starts(pki: Pki, upstream: str) -> None:
    with pytest.raises(PenstockError, match=upstream):
        await pool(pki, upstream=upstream).start()


@pytest.mark.parametrize("flavour", ["h2", "rh2"])
async def test_an_application_is_published(
    pki: Pki, proxy: ReverseProxy, flavour: Literal["h2", "rh2"]
) -> None:
    application = Application()
    async with pool(pki, proxy.tunnels[0], app=application, connections=2, flavour=flavour) as worker:
        async with asyncio.timeout(30):
            await worker.ready()
        assert (worker.links, worker.error, application.life) == (2, None, ["started"])
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{proxy.public[0]}/some/path")
        assert (answer.status_code, answer.text) == (200, "/some/path")
    assert application.life == ["started", "ended"]
    assert worker.links == 0


async def test_an_upstream_is_published(pki: Pki, proxy: ReverseProxy, tmp_path: Path) -> None:
    """Over a unix socket, to a server that answers once."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line = head.split(b"\r\n", 1)[0]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(line), line))
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, tmp_path / "app.sock")
    async with server, pool(pki, proxy.tunnels[0], upstream=f"unix:{tmp_path}/app.sock") as worker:
        async with asyncio.timeout(30):
            await worker.ready()
        async with httpx.AsyncClient(trust_env=False) as client:
            answered = await client.get(f"http://{proxy.public[0]}/x?y=1")
        assert answered.text == "GET /x?y=1 HTTP/1.1"


async def test_a_proxy_that_is_not_there_is_told_and_dialled_again(pki: Pki) -> None:
    worker = pool(pki, upstream="http://127.0.0.1:1")
    assert (worker.links, worker.error) == (0, None)
    await worker.start()
    async with asyncio.timeout(30):
        while worker.error is None:  # noqa: ASYNC110 - the core's threads tell no loop
            await asyncio.sleep(0.01)
    assert "127.0.0.1:1" in worker.error.message and worker.error.hint
    waiting = asyncio.create_task(worker.ready())
    assert await worker.shutdown(1)
    async with asyncio.timeout(30):
        await waiting


async def test_an_application_that_does_not_start_is_not_served(pki: Pki) -> None:
    application = Application(fails=True)
    worker = pool(pki, app=application)
    with pytest.raises(PenstockError, match="no database"):
        await worker.start()
    assert (worker.links, application.life) == (0, ["started"])
    assert await worker.shutdown()
