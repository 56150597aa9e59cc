"""A worker whose proxy is odd or hostile, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from h2.errors import ErrorCodes
from h2.events import PingAckReceived, RemoteSettingsChanged, ResponseReceived, StreamReset
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame, PriorityFrame

from tests.e2e.stack.application import pattern
from tests.e2e.stack.attacks import ATTACKS, launch
from tests.e2e.stack.far_end import FLAVOURS, TunnelPort, tunnel_port
from tests.e2e.stack.http2 import Http2
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.publish import Certificates, Stage, staged
from tests.e2e.stack.waiting import until
from tests.e2e.stack.worker import APPLICATION, Worker

MIB = 1 << 20


@dataclass(frozen=True)
class Dialling:
    """A worker with one link, and the port that it dials."""

    worker: Worker
    port: TunnelPort

    def link(self, settings: dict[SettingCodes, int] | None = None) -> Http2:
        """The next link."""
        return self.port.link(settings)


@contextmanager
def dialling(stage: Stage, *options: str) -> Iterator[Dialling]:
    """A worker of its own."""
    with tunnel_port(stage.certificates.edge) as port:
        worker = stage.worker(port.port, APPLICATION, "--connections", "1", *options)
        try:
            yield Dialling(worker, port)
        finally:
            worker.process.end()


@pytest.fixture(scope="module")
def stage(root: Path, peers: Peers, certificates: Certificates) -> Iterator[Stage]:
    """One for all."""
    with staged(root / "links", peers, certificates) as stage:
        yield stage


@pytest.fixture(scope="module", params=FLAVOURS)
def link(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Http2]:
    """A link of each flavour that nobody breaks."""
    with dialling(stage, "--flavour", request.param) as worker, worker.link() as link:
        yield link


def is_served(link: Http2) -> bool:
    """An ordinary request is answered."""
    return link.answer(link.request("/hello")).body == b"hello\n"


# Odd, but in order


def test_a_header_block_in_pieces(link: Http2) -> None:
    """RFC 9113, section 6.10: HEADERS and five CONTINUATION; an endless number is an attack."""
    whole, link.h2.max_outbound_frame_size = link.h2.max_outbound_frame_size, 100
    stream = link.request("/request", more=[(b"x-long", b"~" * 350)])
    link.h2.max_outbound_frame_size = whole
    assert b"~" * 350 in link.answer(stream).body


def test_a_padded_body(link: Http2) -> None:
    """RFC 9113, section 6.1."""
    stream = link.request("/echo", method="POST", end=False)
    for number in range(3):
        link.h2.send_data(stream, b"%d" % number, end_stream=number == 2, pad_length=200)
    link.flush()
    assert link.answer(stream).body == b"012"


def test_a_proxy_that_flushes_with_empty_frames(link: Http2) -> None:
    """More of them than an HTTP/2 library takes for an attack: some implementations flush so."""
    stream = link.request("/echo", method="POST", end=False)
    for _ in range(300):
        link.h2.send_data(stream, b"")
        link.h2.send_data(stream, b"x")
    link.h2.end_stream(stream)
    link.flush()
    assert link.answer(stream).body == b"x" * 300


def test_frames_that_nobody_knows(link: Http2) -> None:
    """RFC 9113, sections 4.1 and 5.3: ignored."""
    link.send(b"\0\0\1\xba\xff\0\0\0\0?")
    link.send(PriorityFrame(link.h2.get_next_available_stream_id(), depends_on=0, stream_weight=1))
    assert is_served(link)


def test_a_ping(link: Http2) -> None:
    """It is answered although nothing else happens."""
    link.h2.ping(b"are you?")
    link.flush()
    assert link.event(PingAckReceived).ping_data == b"are you?"


def test_a_stream_that_is_reset(link: Http2, application: str) -> None:
    """The application is told, and the link goes on."""
    stream = link.request(f"/wait/{application}")
    link.body_of(stream, 1)
    link.h2.reset_stream(stream, ErrorCodes.CANCEL)
    link.flush()
    assert link.answer(link.request(f"/gone/{application}")).body == b"gone\n"


def test_an_answer_that_does_not_wait_for_the_body(link: Http2) -> None:
    """RFC 9113, section 8.1: the rest is asked not to be sent, without an error."""
    stream = link.request("/early", method="POST", end=False)
    answer = link.answer(stream)
    assert (answer.status, answer.body) == (413, b"too much\n")
    assert link.event(StreamReset, stream).error_code == ErrorCodes.NO_ERROR
    assert is_served(link)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("window", [1, 100])
def test_tiny_windows(stage: Stage, flavour: str, window: int) -> None:
    """Byte by byte, and intact."""
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: window}
    with dialling(stage, "--flavour", flavour) as worker, worker.link(settings) as link:
        assert link.answer(link.request("/bytes/300")).body == pattern(300)


def test_a_proxy_that_does_not_heed_the_limit(stage: Stage) -> None:
    """Twice as many are served; the others get 503, and not REFUSED_STREAM: HAProxy makes nothing of it."""
    with dialling(stage, "--max-concurrent-streams", "4") as worker, worker.link() as link:
        streams = [link.request("/wait/heed") for _ in range(12)]
        for stream in streams:
            link.event(ResponseReceived, stream)
        statuses = [link.so_far(stream).status for stream in streams]
        assert sorted(statuses) == [200] * 8 + [503] * 4
        assert not link.closed


# Links that end


def test_a_link_that_just_ends(stage: Stage) -> None:
    """Without GOAWAY, as HAProxy ends those that are idle: the worker dials again."""
    with dialling(stage) as worker:
        with worker.link() as link:
            assert is_served(link)
        with worker.link() as link:
            assert is_served(link)
        assert worker.worker.process.running


def test_a_proxy_that_says_goodbye(stage: Stage) -> None:
    """GOAWAY: what is in flight is finished, and a new link is dialled."""
    with dialling(stage) as worker, worker.link() as link:
        stream = link.request("/echo", method="POST", end=False)
        link.data(stream, b"before")
        link.body_of(stream, 6)
        link.send(GoAwayFrame(0, last_stream_id=0))
        link.data(stream, b" and after", end=True)
        assert link.answer(stream).body == b"before and after"
        with worker.link() as new:
            assert is_served(new)


def test_a_proxy_that_speaks_something_else(stage: Stage) -> None:
    """Garbage instead of HTTP/2: the worker dials again."""
    with dialling(stage) as worker:
        with worker.port.accept() as stranger:
            stranger.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        with worker.link() as link:
            assert is_served(link)


def test_resets_end_the_link(stage: Stage) -> None:
    """A thousand a minute are borne; ten thousand are an attack, which the next link does not pay for."""
    with dialling(stage) as worker:
        with worker.link() as attacker:
            launch(ATTACKS["rapid reset"], attacker)
            log = worker.worker.process.log
            until("the worker ends it", lambda: "excessive load" in log.read_text("utf-8"))
        with worker.link() as link:
            assert is_served(link)


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_proxy(stage: Stage, name: str) -> None:
    """The worker ends the link or bears it, does not grow, and serves the next."""
    with dialling(stage) as worker:
        with worker.link() as attacker:
            attacker.event(RemoteSettingsChanged)
            before = psutil.Process(worker.worker.process.pid).memory_info().rss
            sent = launch(ATTACKS[name], attacker)
            assert sent < 32 * MIB, "it took everything"
        with worker.link() as link:
            assert is_served(link)
        assert psutil.Process(worker.worker.process.pid).memory_info().rss - before < 64 * MIB
