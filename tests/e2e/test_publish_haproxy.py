"""HAProxy as it is: what it does with a worker's links, and the configurations that are shipped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from tests.e2e.stack.haproxy import SHIPPED, Edge, device
from tests.e2e.stack.http2 import Http2, dial
from tests.e2e.stack.peers import HAPROXY, Peers
from tests.e2e.stack.publish import Certificates, Stage, caller, staged, wait_for_answer
from tests.e2e.stack.waiting import until
from tests.e2e.stack.worker import APPLICATION, Worker


@pytest.fixture(scope="module")
def stage(root: Path, peers: Peers, certificates: Certificates) -> Iterator[Stage]:
    """One for all."""
    with staged(root / "haproxy", peers, certificates) as stage:
        yield stage


@pytest.fixture(params=HAPROXY)
def edge(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Edge]:
    """HAProxy of each release as the edge; nobody has dialled it yet."""
    edge = stage.edge(request.param)
    yield edge
    edge.process.end()


def status(edge: Edge, path: str = "/hello") -> int:
    """Of an answer on a connection of its own; 0 if there was none."""
    try:
        with caller(edge.url) as client:
            return client.get(path).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize("release", HAPROXY)
@pytest.mark.parametrize("config", ["haproxy.cfg", "device.cfg"])
def test_the_shipped_configurations_are_valid(stage: Stage, release: str, config: str) -> None:
    """Without a warning; and they hold what interoperation needs."""
    haproxy, certificates = stage.haproxy(release), stage.certificates
    variables = Edge(haproxy, certificates.edge).variables
    variables |= {"PROXY_CA": str(certificates.device.ca), "DEVICE_PEM": str(certificates.device.bundle)}
    haproxy.check(SHIPPED / config, {**variables, "PROXY": "127.0.0.1:1"})
    words = (SHIPPED / config).read_text("utf-8")
    for needed in {
        "haproxy.cfg": [
            "http-reuse always",
            "attach-srv",
            "idle-ping",
            "pool-purge-delay",
            "retry-on all-retryable",
        ],
        "device.cfg": ["bind rhttp@", "nbconn", "idle-ping", "alpn h2"],
    }[config]:
        assert needed in words


@pytest.mark.parametrize("release", HAPROXY)
def test_haproxy_at_both_ends(stage: Stage, release: str) -> None:
    """The two that we ship work with each other: whatever else fails here is ours."""
    edge = Edge(stage.haproxy(release), stage.certificates.edge, worker="device")
    edge.start()
    far = device(stage.haproxy(release), stage.certificates.device, edge.tunnel_port, stage.upstream())
    wait_for_answer(edge.url, edge.process, far)
    with caller(edge.url) as client, ThreadPoolExecutor(20) as threads:
        assert set(threads.map(lambda _: client.get("/hello").text, range(20))) == {"hello\n"}
    far.end()
    edge.process.end()


def test_a_certificate_of_another_name(edge: Edge, stage: Stage) -> None:
    """It is of the right authority, and yet HAProxy lets it serve nothing: the worker keeps trying."""
    edge.process.end()
    edge.worker = "somebody-else"
    edge.start()
    worker = stage.worker(edge.tunnel_port)
    until("the worker says so", lambda: "did not accept the link" in worker.process.log.read_text("utf-8"))
    assert worker.process.running and status(edge) == 503
    worker.process.end()


def test_the_edge_is_killed_and_started_again(edge: Edge, stage: Stage) -> None:
    """The worker comes back by itself."""
    worker = stage.worker(edge.tunnel_port)
    wait_for_answer(edge.url, edge.process, worker.process)
    edge.process.kill()
    edge.start()
    wait_for_answer(edge.url, edge.process, worker.process)
    worker.process.end()


def test_a_worker_is_killed_and_another_goes_on(edge: Edge, stage: Stage) -> None:
    """HAProxy tries the next link: no GET is lost."""
    victim, other = stage.worker(edge.tunnel_port), stage.worker(edge.tunnel_port)
    seen: set[str] = set()

    def both() -> bool:
        with caller(edge.url) as client:
            seen.add(client.get("/hello").headers.get("x-process", ""))
        return {str(victim.process.pid), str(other.process.pid)} <= seen

    until("both have answered", both)
    victim.process.kill()
    with caller(edge.url) as client:
        assert [client.get("/hello").status_code for _ in range(50)] == [200] * 50
    other.process.end()


def test_a_worker_is_told_to_stop(edge: Edge, stage: Stage) -> None:
    """GOAWAY: HAProxy sends nothing new there, and what it had is finished."""
    leaving = stage.worker(edge.tunnel_port)
    wait_for_answer(edge.url, edge.process, leaving.process)
    with Http2(dial(edge.public_port), client=True).begin() as client:
        stream = client.request("/echo", method="POST", end=False)
        client.data(stream, b"before")
        client.body_of(stream, 6)
        leaving.process.signal(signal.SIGTERM)
        until("nothing new goes there", lambda: status(edge) == 503)
        other = stage.worker(edge.tunnel_port)
        wait_for_answer(edge.url, edge.process, other.process)
        client.data(stream, b" and after", end=True)
        assert client.answer(stream).body == b"before and after"
    assert leaving.process.wait() == 0
    other.process.end()


def test_more_requests_than_the_worker_admits(edge: Edge, stage: Stage) -> None:
    """HAProxy does not heed the first SETTINGS, and makes an empty reply of REFUSED_STREAM: yet all callers
    get an answer."""
    worker = stage.worker(
        edge.tunnel_port, APPLICATION, "--connections", "1", "--max-concurrent-streams", "2"
    )
    wait_for_answer(edge.url, edge.process, worker.process)
    with Http2(dial(edge.public_port), client=True).begin() as client:
        # Each of HAProxy's threads has to get hold of the link once: until then it answers 503 by itself.
        until("it serves this caller", lambda: client.answer(client.request("/hello")).status == 200)
        streams = [client.request("/echo", method="POST", end=False) for _ in range(16)]
        for stream in streams:
            client.data(stream, b"x")
        client.until("refusals", lambda: sum(map(bool, map(client.ended, streams))) >= 8 or None)
        for stream in [stream for stream in streams if not client.ended(stream)]:
            client.data(stream, b"y", end=True)
        answers = [client.answer(stream) for stream in streams]
    assert {answer.status for answer in answers} == {200, 503}
    assert {answer.body for answer in answers if answer.status == 200} == {b"xy"}
    worker.process.end()


def test_what_may_have_been_done_is_not_done_twice(edge: Edge, stage: Stage, application: str) -> None:
    """HAProxy repeats a GET that failed, and no POST."""
    worker = stage.worker(edge.tunnel_port)
    wait_for_answer(edge.url, edge.process, worker.process)
    with caller(edge.url) as client:
        assert client.post(f"/raise/{application}").status_code == 500
        assert client.get(f"/failures/{application}").text == "1"
    worker.process.end()


@pytest.mark.parametrize("forwarding", [False, True], ids=["application", "upstream"])
def test_connect_is_refused(edge: Edge, stage: Stage, forwarding: bool) -> None:
    """HAProxy passes plain CONNECT on; what a worker publishes is nobody's way out."""
    what = f"http://127.0.0.1:{stage.upstream()}" if forwarding else APPLICATION
    worker = stage.worker(edge.tunnel_port, what)
    wait_for_answer(edge.url, edge.process, worker.process)
    with dial(edge.public_port) as client:
        client.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
        assert client.recv(65536)[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5")
    assert status(edge) == 200
    worker.process.end()


@pytest.mark.parametrize("release", HAPROXY)
def test_an_idle_pool_is_purged(stage: Stage, release: str, tmp_path: Path) -> None:
    """HAProxy ends links that are idle for `pool-purge-delay` by a bare EOF: the worker dials again."""
    config = tmp_path / "haproxy.cfg"
    shipped = (SHIPPED / "haproxy.cfg").read_text("utf-8")
    assert "pool-purge-delay 1h" in shipped
    config.write_text(shipped.replace("pool-purge-delay 1h", "pool-purge-delay 100ms"), "utf-8")
    edge = Edge(stage.haproxy(release), stage.certificates.edge, config)
    edge.start()
    worker = stage.worker(edge.tunnel_port)
    wait_for_answer(edge.url, edge.process, worker.process)
    log = worker.process.log
    until("links were purged", lambda: "link down" in log.read_text("utf-8"))
    ups = log.read_text("utf-8").count("link up")
    until("they are back", lambda: log.read_text("utf-8").count("link up") > ups)
    wait_for_answer(edge.url, edge.process, worker.process)
    worker.process.end()
    edge.process.end()


def test_a_worker_that_stands_still(stage: Stage, tmp_path: Path) -> None:
    """`idle-ping`: HAProxy drops links that do not answer; awake, the worker is back."""
    config = tmp_path / "haproxy.cfg"
    shipped = (SHIPPED / "haproxy.cfg").read_text("utf-8")
    assert "idle-ping 15s" in shipped
    config.write_text(shipped.replace("idle-ping 15s", "idle-ping 500ms"), "utf-8")
    edge = Edge(stage.haproxy("sid"), stage.certificates.edge, config)
    edge.start()
    worker = stage.worker(edge.tunnel_port)
    wait_for_answer(edge.url, edge.process, worker.process)
    worker.process.signal(signal.SIGSTOP)
    until("its links are dropped", lambda: link_states(worker, edge) == {psutil.CONN_CLOSE_WAIT})
    worker.process.signal(signal.SIGCONT)
    wait_for_answer(edge.url, edge.process, worker.process)
    worker.process.end()
    edge.process.end()


def link_states(worker: Worker, edge: Edge) -> set[str]:
    """The TCP states of a worker's links."""
    connections = psutil.Process(worker.process.pid).net_connections("tcp")
    return {each.status for each in connections if each.raddr and each.raddr.port == edge.tunnel_port}
