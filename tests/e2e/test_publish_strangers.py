"""Strangers at the ports of a proxy and at the end of a worker's link: others go on meanwhile."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from h2.events import RemoteSettingsChanged, ResponseReceived
from h2.settings import SettingCodes
from hyperframe.frame import SettingsFrame

from tests.e2e.stack.attacks import ATTACKS, launch
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.far_end import dialled, link
from tests.e2e.stack.http2 import PREFACE, Http2, dial
from tests.e2e.stack.limits import MIB, bounded, descriptors
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued, Pki
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.proxy import Proxy
from tests.e2e.stack.publish import Certificates, Stage, staged, wait_for_answer

STALLED = 2000


@dataclass(frozen=True)
class Besieged:
    """A proxy with one honest worker."""

    stage: Stage
    proxy: Proxy
    worker: Process

    def goes_on(self) -> None:
        """An ordinary request is answered, by the same processes as before."""
        assert httpx.get(f"{self.proxy.url}/hello", trust_env=False, timeout=30).text == "hello\n"
        assert self.proxy.process.running and self.worker.running


@pytest.fixture(scope="module")
def besieged(root: Path, peers: Peers, certificates: Certificates) -> Iterator[Besieged]:
    """One for all."""
    with staged(root / "strangers", peers, certificates) as stage:
        proxy = stage.proxy()
        worker = stage.worker(proxy.tunnel_port).process
        wait_for_answer(proxy.url, proxy.process, worker)
        yield Besieged(stage, proxy, worker)


# Callers


@pytest.mark.parametrize("name", ATTACKS)
def test_a_hostile_caller(besieged: Besieged, name: str) -> None:
    """It is cut off or left waiting, the proxy stays small, and others are served during and after."""
    with (
        bounded(besieged.proxy.process, 64 * MIB),
        Http2(dial(besieged.proxy.public_port), client=True).begin() as attacker,
    ):
        sent = launch(ATTACKS[name], attacker)
        assert sent < 32 * MIB, "it took everything"
        besieged.goes_on()
    besieged.goes_on()


@pytest.mark.parametrize("name", ["rapid reset", "made you reset"])
def test_resets_end_the_connection(besieged: Besieged, name: str) -> None:
    """ENHANCE_YOUR_CALM, and no more streams."""
    with Http2(dial(besieged.proxy.public_port), client=True).begin() as attacker:
        launch(ATTACKS[name], attacker)
        attacker.wait_for_end()


def test_callers_that_read_nothing(besieged: Besieged) -> None:
    """A hundred answers of 8 MiB each: they wait in the application, not in the proxy."""
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
    with bounded(besieged.proxy.process, 128 * MIB), ExitStack() as exits:
        for _ in range(5):
            caller = Http2(dial(besieged.proxy.public_port), client=True).begin(settings)
            exits.enter_context(caller)
            for stream in [caller.request(f"/bytes/{8 * MIB}") for _ in range(20)]:
                caller.event(ResponseReceived, stream)
        besieged.goes_on()


# Those that dial the tunnel port


def test_stalled_handshakes(besieged: Besieged) -> None:
    """Two thousand that say nothing, or half of a greeting: a worker still attaches, the public is served."""
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with descriptors(STALLED + 256), ExitStack() as exits:
        for number in range(STALLED):
            stranger = exits.enter_context(dial(besieged.proxy.tunnel_port))
            if number % 2:
                stranger.sendall(hello)
        besieged.goes_on()
        with link(besieged.proxy.tunnel_port, besieged.stage.certificates.worker) as worker:
            worker.event(RemoteSettingsChanged)
    besieged.goes_on()


def greeting(besieged: Besieged, certificate: Issued | None, flavour: str = "h2") -> str:
    """What the tunnel port answers: `bytes` of a link, or why there is none."""
    try:
        ca = besieged.stage.certificates.worker
        with dialled(besieged.proxy.tunnel_port, certificate, ca, flavour) as tls:
            # With TLS 1.3 a client is done before its certificate is judged.
            tls.sendall(PREFACE + SettingsFrame(0).serialize())
            return "bytes" if tls.recv(1) else "closed"
    except ssl.SSLError as error:
        return error.reason or str(error)


def test_who_may_not_attach(besieged: Besieged, pki: Pki, root: Path) -> None:
    """No certificate, a server's, an expired one, one of another authority, and another protocol."""
    with Processes(root / "other-pki" / "logs") as processes:
        other = Pki(Cli(root / "other-pki" / "home", processes)).issue("worker")
    assert greeting(besieged, besieged.stage.certificates.worker) == "bytes"
    assert greeting(besieged, None) == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert greeting(besieged, other) == "TLSV1_ALERT_UNKNOWN_CA"
    assert greeting(besieged, pki.expired("worker")) == "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    assert "ALERT" in greeting(besieged, besieged.stage.certificates.edge)
    assert "alert" in greeting(besieged, besieged.stage.certificates.worker, "http/1.1")
    besieged.goes_on()
