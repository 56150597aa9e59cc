"""The library of proxies, with workers of the library behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from penstock import ReverseProxy, WorkerPool
from penstock.clock import SystemClock
from penstock.domain.certificate import CertificateFiles, NewCertificate
from penstock.domain.errors import Code, PenstockError
from penstock.identity.peers import PeerAuthority
from penstock.proxy import (
    AttachedWorker,
    Route,
    SelectRequest,
    parse_allowed,
    parse_route,
    parse_selector,
    sticky_header,
)

pytestmark = pytest.mark.anyio

FREE = "127.0.0.1:0"


@dataclass(frozen=True)
class Pki:
    """One authority's certificates."""

    server: CertificateFiles
    workers: dict[str, CertificateFiles]

    def proxy(self, **options: Any) -> ReverseProxy:
        """A proxy on free ports."""
        given = {"tunnel_listen": FREE, "public_listen": FREE, **options}
        return ReverseProxy(
            certificate=self.server.cert,
            key=self.server.key,
            workers_ca=self.server.authority.path,
            **given,
        )

    def worker(self, name: str, proxy: ReverseProxy, app: Any) -> WorkerPool:
        """A worker of that name."""
        files = self.workers[name]
        return WorkerPool(
            app=app,
            address=proxy.tunnels[0],
            certificate=files.cert,
            key=files.key,
            ca=files.authority.path,
        )


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Of a listener on this machine, and of two workers."""
    authority = PeerAuthority(tmp_path_factory.mktemp("home"), SystemClock())
    authority.init()
    day = timedelta(days=1)
    server = authority.issue(NewCertificate("localhost", day, ("127.0.0.1",), server=True), None)
    names = ("one", "two")
    return Pki(server, {name: authority.issue(NewCertificate(name, day, ()), None) for name in names})


def application(name: str) -> Any:
    """Says its name and what came."""

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (event := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{event['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (event := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": f"{name} {event['text']}"})
            return
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        start = {"type": "http.response.start", "status": 200, "headers": [(b"x-worker", name.encode())]}
        await send(start)
        await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + body})

    return app


@asynccontextmanager
async def both(pki: Pki, **options: Any) -> AsyncIterator[ReverseProxy]:
    """A proxy with both workers."""
    async with (
        pki.proxy(**options) as proxy,
        pki.worker("one", proxy, application("one")) as one,
        pki.worker("two", proxy, application("two")) as two,
    ):
        await one.ready()
        await two.ready()
        await until(lambda: len(proxy.workers()) == 2)
        yield proxy


async def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def get(proxy: ReverseProxy, **headers: str) -> httpx.Response:
    """One request of the public port."""
    async with httpx.AsyncClient(base_url=f"http://{proxy.public[0]}") as client:
        return await client.get("/x", headers=headers)


async def test_workers_serve_the_public_and_are_seen(pki: Pki) -> None:
    async with both(pki, selector="round-robin") as proxy:
        names = {(await get(proxy)).headers["x-worker"] for _ in range(4)}
        assert names == {"one", "two"}
        one, two = proxy.workers()
        assert (one.name, one.group, one.links, two.name) == ("one", "default", 1, "two")
        assert one.requests + two.requests == 4


async def test_the_owner_hears_of_workers_and_may_end_them(pki: Pki) -> None:
    heard: list[str] = []

    async def attach(worker: AttachedWorker) -> None:
        heard.append(f"+{worker.name}")

    def detach(worker: AttachedWorker) -> None:
        heard.append(f"-{worker.name}")

    async with both(pki, on_attach=attach, on_detach=detach) as proxy:
        await until(lambda: sorted(heard) == ["+one", "+two"])
        assert proxy.revoke("one") == 1
        await until(lambda: heard[2:] == ["-one"])
        assert {(await get(proxy)).headers["x-worker"] for _ in range(3)} == {"two"}
        assert proxy.restore("one")
        assert not proxy.restore("one")
        await until(lambda: len(proxy.workers()) == 2)


async def test_a_selector_may_be_pythons(pki: Pki) -> None:
    def by_tenant(request: SelectRequest, workers: Sequence[AttachedWorker]) -> AttachedWorker | None:
        wanted = request.header("x-tenant")
        return next((worker for worker in workers if worker.name == wanted), None)

    async with both(pki, selector=by_tenant, wait_seconds=0.1) as proxy:
        for name in ("one", "two"):
            assert (await get(proxy, **{"x-tenant": name})).headers["x-worker"] == name
        assert (await get(proxy, **{"x-tenant": "nobody"})).status_code == 503


async def test_routes_change_while_it_runs(pki: Pki) -> None:
    options = {"allow": ("one=first", "two=second"), "routes": ("*=first",), "selector": sticky_header("x-a")}
    async with both(pki, **options) as proxy:
        assert (await get(proxy)).headers["x-worker"] == "one"
        proxy.publish([Route("second", "*", "/x")])
        assert (await get(proxy)).headers["x-worker"] == "two"
        with pytest.raises(PenstockError):
            proxy.publish(["a b"])
        assert (await get(proxy)).headers["x-worker"] == "two"


async def test_the_public_side_is_an_application_too(pki: Pki) -> None:
    async with both(pki, public_listen=()) as proxy:
        transport = httpx.ASGITransport(app=proxy.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            answer = await client.post("/a%20b", content=b"x" * 300_000)
            assert answer.headers["x-worker"] in ("one", "two")
            assert answer.content == b"/a b " + b"x" * 300_000
            assert (await client.get("/../b")).status_code in (200, 400)


async def test_a_websocket_of_the_application(pki: Pki) -> None:
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    for event in ({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}):
        said.put_nowait(event)
    scope = {
        "type": "websocket",
        "path": "/ws",
        "query_string": b"",
        "headers": [(b"host", b"shop.example")],
        "scheme": "ws",
        "client": ("127.0.0.1", 1),
    }
    async with both(pki, allow=("one", "two=other"), public_listen=()) as proxy:
        serving = asyncio.ensure_future(proxy.app(scope, said.get, heard.put))
        async with asyncio.timeout(20):
            assert (await heard.get())["type"] == "websocket.accept"
            assert (await heard.get()) == {"type": "websocket.send", "text": "one hello"}
            said.put_nowait({"type": "websocket.disconnect", "code": 1000})
            await serving


async def test_what_cannot_be_used_is_refused(pki: Pki, tmp_path: Path) -> None:
    for options, named in (
        ({"tunnel_listen": "nowhere"}, "tunnel_listen"),
        ({"public_certificate": tmp_path / "none"}, "public_certificate"),
        ({"retries": 99}, "retries"),
        ({"wait_seconds": -1.0}, "wait_seconds"),
        ({"selector": "whoever"}, "whoever"),
        ({"routes": ["a=b/c"]}, "a=b/c"),
    ):
        with pytest.raises(PenstockError, match=named):
            pki.proxy(**options)
    with pytest.raises(PenstockError) as idle:
        pki.proxy().revoke("one")
    assert idle.value.code is Code.CONFLICT
    async with pki.proxy() as proxy:
        with pytest.raises(PenstockError) as taken:
            await pki.proxy(tunnel_listen=proxy.tunnels[0]).start()
        assert taken.value.code is Code.CONFLICT
        await proxy.shutdown(0)
        await proxy.shutdown(0)


def test_what_is_written_is_read() -> None:
    assert parse_route("shop.example/cart=cart") == Route("cart", "shop.example", "/cart")
    assert parse_route("shop.example") == Route("default", "shop.example", "/")
    assert parse_route("/api=web") == Route("web", "*", "/api")
    assert parse_route("*=web") == Route("web")
    assert (parse_allowed("w-*=shop").group, parse_allowed("w").group) == ("shop", "default")
    assert (parse_selector("cookie:seat").name, parse_selector("round-robin").name) == ("seat", None)
    for bad in ("cookie", "cookie:", "round-robin:x", ""):
        with pytest.raises(PenstockError):
            parse_selector(bad)
