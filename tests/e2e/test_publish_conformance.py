"""RFC 9113 to the letter, at the public port and on a link: who breaks it loses connection or stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from h2.events import RemoteSettingsChanged

from tests.e2e.stack.far_end import tunnel_port
from tests.e2e.stack.http2 import Http2, dial
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.publish import Certificates, staged, wait_for_answer
from tests.e2e.stack.violations import BREACHES, GOAWAY, RST_STREAM, Breach
from tests.e2e.stack.worker import Worker


@pytest.fixture(scope="module")
def public(root: Path, peers: Peers, certificates: Certificates) -> Iterator[int]:
    """The public port of a proxy with a worker."""
    with staged(root / "conformance", peers, certificates) as stage:
        proxy = stage.proxy()
        worker = stage.worker(proxy.tunnel_port)
        wait_for_answer(proxy.url, proxy.process, worker.process)
        yield proxy.public_port


@pytest.fixture(scope="module")
def links(root: Path, peers: Peers, certificates: Certificates) -> Iterator[list[Http2]]:
    """A worker's links, one for each test and all up before the first: none is dialled again, nor probed."""
    with (
        staged(root / "conformance-links", peers, certificates) as stage,
        tunnel_port(certificates.edge) as port,
        ExitStack() as held,
    ):
        worker = Worker(stage.folder / "worker", stage.processes, certificates.worker, port.port)
        worker.options = ("--connections", str(len(BREACHES) + 1))
        worker.variables = {"LINK_KEEPALIVE_SECONDS": "3600"}
        worker.start()
        yield [held.enter_context(port.link()) for _ in range(len(BREACHES) + 1)]


@pytest.mark.parametrize("name", BREACHES)
def test_a_caller(public: int, name: str) -> None:
    """At the public port."""
    with Http2(dial(public), client=True).begin() as peer:
        assert refusal(peer, BREACHES[name]) in BREACHES[name].refusals


@pytest.mark.parametrize("name", BREACHES)
def test_a_proxy(links: list[Http2], name: str) -> None:
    """On a link, of its worker."""
    assert refusal(links.pop(), BREACHES[name]) in BREACHES[name].refusals


def test_others_were_served_meanwhile(public: int, links: list[Http2]) -> None:
    """By the same processes."""
    with Http2(dial(public), client=True).begin() as peer:
        assert peer.answer(peer.request("/hello")).body == b"hello\n"
    peer = links.pop()
    assert peer.answer(peer.request("/hello")).body == b"hello\n"


def refusal(peer: Http2, breach: Breach) -> str:
    """How a breach is answered: `GOAWAY`, `RST_STREAM`, or `END` of the connection."""
    peer.event(RemoteSettingsChanged)
    peer.send(breach.words)
    data = b""
    while True:
        for kind in kinds(data):
            if kind in (GOAWAY, RST_STREAM):
                return "GOAWAY" if kind == GOAWAY else "RST_STREAM"
        try:
            more = peer.transport.recv(65536)
        except ConnectionError:
            more = b""
        if not more:
            return "END"
        data += more


def kinds(data: bytes) -> Iterator[int]:
    """The kinds of the whole frames in it."""
    while len(data) >= 9 and len(data) >= (size := 9 + int.from_bytes(data[:3], "big")):
        yield data[3]
        data = data[size:]
