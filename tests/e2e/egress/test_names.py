"""Names and addresses: the one that is dialled is the one that was checked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.egress.conftest import Scene, Start
from tests.e2e.stack.destination import HELLO
from tests.e2e.stack.egress import Egress
from tests.e2e.stack.tunnel import absolute, status
from tests.e2e.stack.waiting import until

FORBIDDEN = [
    "127.0.0.2",
    "[::1]",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "10.0.0.1",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "[64:ff9b::7f00:2]",
    "0.0.0.0",
    "100.64.0.1",
    "224.0.0.1",
]
OTHERWISE_WRITTEN = ["2130706434", "0x7f000002", "0177.0.0.2", "127.2", "127.0.0.02", "%31%32%37.0.0.2"]


@pytest.mark.parametrize("host", FORBIDDEN)
def test_addresses_that_are_not_public_are_denied(scene: Scene, proxy: Egress, host: str) -> None:
    port = scene.destination.port
    code, said = absolute(proxy.port, f"http://{host}:{port}/hello", scene.key)
    assert code == 403 and "may not be dialled" in said
    assert status(proxy.port, f"{host}:{port}", scene.user) == 403


@pytest.mark.parametrize("host", OTHERWISE_WRITTEN)
def test_other_spellings_of_an_address_are_none(scene: Scene, proxy: Egress, host: str) -> None:
    assert status(proxy.port, f"{host}:{scene.destination.port}", scene.user) in (400, 403)


def test_a_name_that_leads_inside_is_denied(scene: Scene, proxy: Egress) -> None:
    scene.names.names["inside.test"] = [["127.0.0.2"]]
    with proxy.client(scene.user) as client:
        answer = client.get(scene.url("inside.test"))
    assert answer.status_code == 403 and "guard.allow" in answer.text
    line = proxy.access(requested=f"inside.test:{scene.destination.port}")
    assert line["resolved"] == ["127.0.0.2"] and "address" not in line


def test_a_name_that_changes_its_mind_never_leads_inside(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration())
    scene.names.names["flip.test"] = [["127.0.0.1"], ["127.0.0.2"]] * 200
    with _listening("127.0.0.2", scene.destination.port) as callers, proxy.client(scene.user) as client:
        answers = [client.get(scene.url("flip.test")).status_code for _ in range(60)]
    assert set(answers) <= {200, 403}
    assert callers == []


def test_only_the_allowed_addresses_of_a_name_are_dialled(scene: Scene, proxy: Egress) -> None:
    scene.names.names["mixed.test"] = [["127.0.0.2", "127.0.0.1", "10.0.0.1"]]
    with proxy.client(scene.user) as client:
        assert client.get(scene.url("mixed.test")).content == HELLO
    line = proxy.access(requested=f"mixed.test:{scene.destination.port}")
    assert line["address"] == f"127.0.0.1:{scene.destination.port}"


def test_an_address_that_is_dead_is_passed_over(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration().replace('allow = "127.0.0.1"', 'allow = "127.0.0.0/8"'))
    scene.names.names["half.test"] = [["127.0.0.3", "127.0.0.1"]]
    with proxy.client(scene.user) as client:
        assert client.get(scene.url("half.test")).content == HELLO


def test_a_name_that_does_not_exist_is_told_and_takes_no_place(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration().replace("[dns]", "[dns]\nmax_hosts = 2"))
    with proxy.client(scene.user) as client:
        assert client.get(scene.url()).content == HELLO
        answers = [client.get(f"http://no-{number}.test/") for number in range(30)]
        assert {answer.status_code for answer in answers} == {502}
        assert client.get(scene.url()).content == HELLO
        assert client.get(scene.url("other.test")).content == HELLO
    assert proxy.admin("stats").json()["dns_cache.egress.num_hosts"] == 2


def test_a_resolver_that_says_nothing_is_not_waited_for(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration().replace("[dns]", '[dns]\nquery_timeout = "500ms"'))
    scene.names.silent.add("silent.test")
    with proxy.client(scene.user) as client:
        assert client.get(scene.url("silent.test")).status_code == 504
    assert proxy.access(requested=f"silent.test:{scene.destination.port}")["verdict"] == "failed"


def test_an_answer_outlives_its_resolver(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration().replace("[dns]", '[dns]\nquery_timeout = "300ms"'))
    scene.names.names["stale.test"] = [["127.0.0.1"]]
    with proxy.client(scene.user) as client:
        assert client.get(scene.url("stale.test")).content == HELLO
        scene.names.silent.add("stale.test")
        asked = scene.names.asked.count("stale.test")
        until("it is asked again", lambda: scene.names.asked.count("stale.test") > asked)
        assert client.get(scene.url("stale.test")).content == HELLO
    scene.names.silent.discard("stale.test")


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_resolver_is_asked_by_tcp_and_tls(scene: Scene, start: Start, tls: bool) -> None:
    context = scene.destination.context if tls else None
    with scene.names.streaming(context) as port:
        udp = f'resolvers = "{scene.names.address}"'
        address = f"tls://127.0.0.1:{port}#origin.test" if tls else f"tcp://127.0.0.1:{port}"
        proxy = start(scene.configuration().replace(udp, f'resolvers = "{address}"'))
        name = "by-tls.test" if tls else "by-tcp.test"
        scene.names.names[name] = [["127.0.0.1"]]
        with proxy.client(scene.user) as client:
            assert client.get(scene.url(name)).content == HELLO
        assert name in scene.names.asked


def test_a_resolver_that_shows_another_name_is_not_believed(scene: Scene, start: Start) -> None:
    scene.names.names["pretended.test"] = [["127.0.0.1"]]
    with scene.names.streaming(scene.destination.context) as port:
        udp = f'resolvers = "{scene.names.address}"'
        other = f'resolvers = "tls://127.0.0.1:{port}#resolver.test"'
        proxy = start(scene.configuration().replace(udp, other))
        with proxy.client(scene.user) as client:
            answer = client.get(scene.url("pretended.test"))
    assert answer.status_code in (502, 504) and "resolve" in answer.text
    assert "pretended.test" not in scene.names.asked


def test_a_static_host_is_never_asked_for(scene: Scene, start: Start) -> None:
    proxy = start(
        scene.configuration().replace("[dns]", '[dns]\nstatic_hosts = { "static.test" = "127.0.0.1" }')
    )
    with proxy.client(scene.user) as client:
        assert client.get(scene.url("static.test")).content == HELLO
    assert "static.test" not in scene.names.asked


@contextmanager
def _listening(host: str, port: int) -> Iterator[list[str]]:
    """Somebody whom nobody should reach: the addresses of those who did."""
    callers: list[str] = []

    def accept() -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            callers.append(address[0])
            connection.close()

    with socket.create_server((host, port)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield callers
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
