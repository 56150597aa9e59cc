"""A proxy and its workers: what no other peer could be asked for, and what is lost when one of them ends."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from h2.events import ResponseReceived

from tests.e2e.stack.application import pattern
from tests.e2e.stack.far_end import FLAVOURS
from tests.e2e.stack.http2 import Http2, dial
from tests.e2e.stack.logs import lines
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Pki
from tests.e2e.stack.ports import listens
from tests.e2e.stack.proxy import Proxy
from tests.e2e.stack.publish import Certificates, Stage, caller, staged
from tests.e2e.stack.waiting import until
from tests.e2e.stack.worker import APPLICATION, Worker

MIB = 1 << 20


@pytest.fixture(scope="module")
def stage(root: Path, peers: Peers, certificates: Certificates) -> Iterator[Stage]:
    """One for all."""
    with staged(root / "proxy", peers, certificates) as stage:
        yield stage


@dataclass
class Pair:
    """A proxy and the workers that it has."""

    stage: Stage
    proxy: Proxy
    workers: list[Worker] = field(default_factory=list)

    def worker(self, *options: str, what: str = APPLICATION, links: int = 4) -> Worker:
        """One more, attached with all of its links."""
        before = self.links()
        worker = self.stage.worker(self.proxy.tunnel_port, what, *options)
        self.workers.append(worker)
        self.wait_for_links(before + links)
        return worker

    def links(self) -> int:
        """How many the proxy has."""
        return sum(int(worker["links"]) for worker in self.proxy.admin("stats").json()["workers"])

    def wait_for_links(self, wanted: int) -> None:
        """Returns once the proxy has so many."""
        until(f"{wanted} links", lambda: self.links() == wanted)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """One request, on a connection of its own."""
        with self.caller() as client:
            return client.get(path, **options)

    def caller(self) -> httpx.Client:
        """Somebody of the public."""
        return caller(self.proxy.url)

    def end(self) -> None:
        """Ends all of it."""
        for process in [*(worker.process for worker in self.workers), self.proxy.process]:
            process.end()


@pytest.fixture
def pair(stage: Stage) -> Iterator[Callable[..., Pair]]:
    """Makes proxies with settings of their own."""
    pairs: list[Pair] = []

    def make(*options: str) -> Pair:
        pairs.append(Pair(stage, stage.proxy(*options)))
        return pairs[-1]

    yield make
    for each in pairs:
        each.end()


@dataclass
class Load:
    """Requests from many callers, all the time, until it is told to stop."""

    url: str
    method: str
    path: str
    callers: int = 8
    answers: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._run) for _ in range(self.callers)]
        for thread in self._threads:
            thread.start()
        self.wait_for(50)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for(self, more: int) -> None:
        """Returns after so many further answers."""
        wanted = len(self.answers) + more
        until(f"{more} answers", lambda: len(self.answers) + len(self.faults) >= wanted)

    def _run(self) -> None:
        with caller(self.url) as client:
            while not self._stop.is_set():
                try:
                    self.answers.append(client.request(self.method, self.path).status_code)
                except httpx.TransportError as error:
                    self.faults.append(repr(error))

    def is_flawless(self) -> bool:
        """True if all were answered with 200."""
        assert self.faults == []
        assert set(self.answers) == {200}
        return True


# Both directions


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_sixty_four_streams_that_flow_both_ways_at_once(pair: Callable[..., Pair], flavour: str) -> None:
    """A mebibyte each, through four links, which come back while they are sent."""
    found = pair()
    found.worker("--flavour", flavour)

    def echo(number: int) -> bool:
        body = bytes([number]) + pattern(MIB)
        with Http2(dial(found.proxy.public_port), client=True).begin() as client:
            stream = client.request("/echo", method="POST", end=False)
            client.data(stream, body, end=True)
            return client.answer(stream, 60).body == body

    with ThreadPoolExecutor(64) as threads:
        assert list(threads.map(echo, range(64))) == [True] * 64


def test_a_caller_that_reads_nothing_delays_nobody(pair: Callable[..., Pair]) -> None:
    """Its answer waits in the application; others pass it on the same link."""
    found = pair()
    found.worker("--connections", "1", links=1)
    with Http2(dial(found.proxy.public_port), client=True).begin() as idle:
        streams = [idle.request(f"/bytes/{8 * MIB}") for _ in range(10)]
        for stream in streams:
            idle.event(ResponseReceived, stream)
        assert found.get(f"/bytes/{MIB}").content == pattern(MIB)


# What ends, and what is lost by it


def test_a_worker_that_is_killed_under_load(pair: Callable[..., Pair]) -> None:
    """No request that is safe to repeat is lost, and all of its links are gone at once."""
    found = pair()
    victim, _ = found.worker(), found.worker()
    with Load(found.proxy.url, "GET", "/hello") as load:
        victim.process.kill()
        found.wait_for_links(4)
        load.wait_for(100)
    assert load.is_flawless()


def test_what_is_not_safe_to_repeat_is_not_repeated(pair: Callable[..., Pair]) -> None:
    """A POST whose worker is killed while it acts: 502 that says so, although another worker is there."""
    found = pair()
    victim = found.worker()
    with ThreadPoolExecutor(1) as thread, found.caller() as client:
        answer = thread.submit(client.post, "/gone/never")
        until("it is on its way", lambda: found.proxy.admin("stats").json()["in_flight"] == 1)
        found.worker()
        victim.process.kill()
        refusal = answer.result(30)
    assert refusal.status_code == 502
    assert "lost" in refusal.json()["detail"] and refusal.json()["hint"], refusal.text


def test_an_answer_that_is_cut_does_not_look_whole(pair: Callable[..., Pair], application: str) -> None:
    """Its worker is killed in the middle of it: HTTP/1.1 and HTTP/2 alike."""
    found = pair()
    victim = found.worker()
    with (
        Http2(dial(found.proxy.public_port), client=True).begin() as client,
        found.caller() as other,
        other.stream("GET", f"/wait/{application}") as http1,
    ):
        stream = client.request(f"/wait/{application}")
        client.body_of(stream, 1)
        parts = http1.iter_text()
        assert next(parts) == "waiting\n"
        victim.process.kill()
        assert client.answer(stream).reset is not None
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)


def test_a_worker_that_is_told_to_stop_under_load(pair: Callable[..., Pair], application: str) -> None:
    """SIGTERM: what it has is finished, and nothing is lost, POST neither."""
    found = pair()
    leaving = found.worker()
    with found.caller() as client, client.stream("GET", f"/wait/{application}") as held:
        parts = held.iter_text()
        assert next(parts) == "waiting\n"
        found.worker()
        with Load(found.proxy.url, "POST", "/hash") as load:
            leaving.process.signal(signal.SIGTERM)
            load.wait_for(100)
            assert leaving.process.running, "a request was still in flight"
        assert load.is_flawless()
    assert leaving.process.wait() == 0
    assert found.links() == 4


def test_a_request_in_the_gap_waits_for_a_worker(pair: Callable[..., Pair]) -> None:
    """A short while, instead of 503 at once; the last worker was killed, and the next one is on its way."""
    found = pair("--wait-seconds", "30")
    found.worker().process.kill()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(found.get, "/hello") for _ in range(4)]
        found.worker()
        assert [answer.result(30).status_code for answer in answers] == [200] * 4


def test_nobody_serves(pair: Callable[..., Pair]) -> None:
    """503 with a hint, after the wait."""
    answer = pair("--wait-seconds", "0.2").get("/hello")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "penstock start worker" in answer.json()["hint"]
    assert int(answer.headers["retry-after"]) > 0


def test_a_proxy_that_is_killed_and_started_again(pair: Callable[..., Pair]) -> None:
    """All workers come back by themselves, with all of their links."""
    found = pair()
    found.worker(), found.worker("--flavour", "rh2")
    found.proxy.process.kill()
    found.proxy.start()
    found.wait_for_links(8)
    assert found.get("/hello").text == "hello\n"
    assert all(worker.process.running for worker in found.workers)


def test_a_proxy_that_is_told_to_stop(pair: Callable[..., Pair]) -> None:
    """SIGTERM: no new connections, what is in flight is finished both ways, and the exit code is 0."""
    found = pair()
    found.worker()
    down = HTTPConnection("127.0.0.1", found.proxy.public_port, timeout=30)
    with dial(found.proxy.public_port) as up, closing(down):
        up.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\nbefore")
        read(up, b"before")
        down.request("GET", f"/bytes/{8 * MIB}")
        answer = down.getresponse()
        found.proxy.process.signal(signal.SIGTERM)
        until("its port is closed", lambda: not listens(found.proxy.public_port))
        assert found.proxy.process.running, "requests were still in flight"
        up.sendall(b" and after")
        read(up, b" and after")
        assert answer.read() == pattern(8 * MIB)
    assert found.proxy.process.wait() == 0


def read(client: socket.socket, end: bytes) -> None:
    """Returns once these bytes have come."""
    found = b""
    while end not in found:
        data = client.recv(65536)
        assert data, f"it ended after {found!r}"
        found += data


# Who gets what


def test_groups_by_host_and_path(stage: Stage, pair: Callable[..., Pair], pki: Pki) -> None:
    """A worker serves for the group that its certificate's name is allowed for."""
    options = ["--allow", "shop-*=shop", "--allow", "cart-*=cart", "--wait-seconds", "0.1"]
    options += ["--route", "shop.example=shop", "--route", "shop.example/cart=cart"]
    found = pair(*options)
    processes = {}
    for name in ("shop-1", "cart-1"):
        worker = Worker(stage.folder / name, stage.processes, pki.issue(name), found.proxy.tunnel_port)
        processes[name] = str(worker.start().pid)
        found.workers.append(worker)
    found.wait_for_links(8)
    asked = {
        "/hello": processes["shop-1"],
        "/hello/cart": processes["shop-1"],
        "/cart": processes["cart-1"],
        "/cart/1": processes["cart-1"],
        "/carts": processes["shop-1"],
    }
    for path, process in asked.items():
        answer = found.get(path, headers={"host": "shop.example"})
        assert answer.headers["x-process"] == process, path
    assert found.get("/hello", headers={"host": "elsewhere.example"}).status_code == 404
    # A certificate of the CA that nobody allowed.
    stranger = stage.worker(found.proxy.tunnel_port)
    told = found.proxy.process.log
    until("it is turned away", lambda: "allow-list" in told.read_text("utf-8"))
    stranger.process.end()
    assert found.links() == 8


def test_the_access_log(pair: Callable[..., Pair]) -> None:
    """A line for each request, whoever served it and whether anybody did; never its query."""
    found = pair("--access-log", "--route", "shop.example")
    found.worker()
    for host, path in (("shop.example", "/hello?card=4111"), ("else.example", "/x?card=4111")):
        found.get(path, headers={"host": host})

    def told() -> list[dict[str, Any]]:
        return [line for line in lines(found.proxy.process.log) if line["target"] == "penstock::access"]

    until("both are logged", lambda: len(told()) == 2)
    served, turned_away = told()
    assert (served["host"], served["path"], served["status"]) == ("shop.example", "/hello", 200)
    assert (served["group"], served["sent"], served["peer"]) == ("default", len(b"hello\n"), "127.0.0.1")
    assert served["worker"] and turned_away["worker"] == ""
    assert (turned_away["host"], turned_away["path"], turned_away["status"]) == ("else.example", "/x", 404)
    assert "4111" not in found.proxy.process.log.read_text("utf-8")


def test_a_caller_stays_with_its_worker(pair: Callable[..., Pair], stage: Stage, pki: Pki) -> None:
    """By a cookie, as long as the worker is there; then with another one."""
    found = pair("--selector", "cookie:seat")
    for name in ("seat-1", "seat-2", "seat-3"):
        worker = Worker(stage.folder / name, stage.processes, pki.issue(name), found.proxy.tunnel_port)
        worker.start()
        found.workers.append(worker)
    found.wait_for_links(12)
    with httpx.Client(base_url=found.proxy.url, trust_env=False, timeout=30) as caller:
        seats = {caller.get("/hello").headers["x-process"] for _ in range(20)}
        assert len(seats) == 1 and "seat" in caller.cookies
        [taken] = [worker for worker in found.workers if str(worker.process.pid) in seats]
        taken.process.kill()
        moved = {caller.get("/hello").headers["x-process"] for _ in range(20)}
        assert len(moved) == 1 and moved != seats
    everywhere = {found.get("/hello").headers["x-process"] for _ in range(40)}
    assert len(everywhere) == 2


def test_headers_that_the_caller_names_for_one_hop(pair: Callable[..., Pair]) -> None:
    """RFC 9110, section 7.6.1: they go no further; what says who the caller is, cannot be named away."""
    found = pair()
    found.worker()
    sent = {
        "connection": "x-secret, x-forwarded-for, authorization",
        "x-secret": "1",
        "authorization": "Basic YQ",
    }
    headers = dict(found.get("/request", headers=sent).json()["headers"])
    assert "x-secret" not in headers and "connection" not in headers
    assert (headers["x-forwarded-for"], headers["authorization"]) == ("127.0.0.1", "Basic YQ")


def test_the_public_side_on_tls(pair: Callable[..., Pair], certificates: Certificates) -> None:
    """HTTP/1.1 and HTTP/2 by ALPN; the application hears that it was https."""
    options = (
        "--public-certificate",
        str(certificates.edge.cert),
        "--public-key",
        str(certificates.edge.key),
    )
    found = pair(*options)
    found.worker()
    trust = ssl.create_default_context(cafile=str(certificates.edge.ca))
    for http2 in (False, True):
        with httpx.Client(verify=trust, http1=not http2, http2=http2, trust_env=False) as client:
            told = client.get(f"https://localhost:{found.proxy.public_port}/request")
        assert told.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert (told.json()["scheme"], dict(told.json()["headers"])["x-forwarded-proto"]) == (
            "https",
            "https",
        )
