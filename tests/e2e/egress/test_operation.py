"""The forward proxy as its operator meets it: changes, signals, ports, what can be seen."""

from __future__ import annotations

import signal
import socket
import subprocess

import httpx
from websockets.sync.client import connect

from tests.e2e.egress.conftest import Scene, Start
from tests.e2e.stack.destination import HELLO
from tests.e2e.stack.egress import APPLIED, REFUSED, Egress
from tests.e2e.stack.http2 import Http2, dial
from tests.e2e.stack.tunnel import absolute, answer, status, tunnel
from tests.e2e.stack.waiting import until
from tests.unit.egress.resources.documents import (
    BREAKERS,
    BY_HEADER,
    ENABLED,
    TUNNEL_GATEWAY,
    TUNNELS,
    together,
)

ADDED = """
resources = "gateway.yaml"
anonymous = true
[connect]
ports = ["1-65535"]
[guard]
allow = "127.0.0.1"
"""
"""What a cluster's resources do not say."""


def test_a_change_applies_and_cuts_no_tunnel(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration())
    target = f"origin.test:{scene.destination.port}"
    with tunnel(proxy.port, target, scene.user) as opened:
        assert opened.get() == HELLO
        proxy.reconfigure(scene.configuration('[[rule]]\nname = "closed"\ndeny = "*"\n'))
        assert status(proxy.port, target, scene.user) == 403
        assert opened.get() == HELLO


def test_a_bad_configuration_is_refused_whole_with_its_line(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration())
    text = scene.configuration('[[rule]]\ndeny = "*"\n')
    for wrong, said in (
        (text + "[dsn]\n", "dsn is not known"),
        (text.replace("[[rule]]", '[[rule]]\npaths = [{ regex = "(" }]'), "regex"),
        ("", "is empty"),
    ):
        proxy.reconfigure(wrong, REFUSED)
        assert said in proxy.process.log.read_text("utf-8")
        with proxy.client(scene.user) as client:
            assert client.get(scene.url()).content == HELLO
    assert f"egress.toml:{(text + '[dsn]').count(chr(10)) + 1}: dsn" in proxy.process.log.read_text("utf-8")


def test_hup_reads_it_again(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration())
    proxy.process.signal(signal.SIGHUP)
    until("it was read again", lambda: APPLIED in proxy.process.log.read_text("utf-8"))


def test_told_to_stop_it_finishes_what_is_under_way(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration())
    with tunnel(proxy.port, f"origin.test:{scene.destination.port}", scene.user) as opened:
        proxy.process.ask()
        until("it takes no more callers", lambda: not _accepts(proxy.port))
        assert opened.get() == HELLO
    assert proxy.process.wait() == 0
    assert proxy.access(kind="tunnel")["received_bytes"] > len(HELLO)


def test_without_a_configuration_it_serves_this_machine(scene: Scene, start: Start) -> None:
    proxy = start(None)
    with proxy.client() as client:
        answer = client.get(f"http://127.0.0.1:{scene.destination.port}/hello")
    assert answer.status_code == 403 and "may not be dialled" in answer.text
    assert proxy.access(verdict="denied")["principal"] == "anonymous"
    dump = proxy.admin("config_dump").json()
    assert dump["default_action"] == "allow" and dump["listeners"][0]["connect"]
    assert status(proxy.port, "example.com:25") == 403


def test_it_speaks_tls_to_its_callers(scene: Scene, start: Start) -> None:
    pem = scene.folder / "origin.test.pem"
    ports = f'[[listener]]\naddress = "127.0.0.1:0"\ntls = {{ cert = "{pem}", key = "{pem}" }}\n'
    proxy = start(scene.configuration() + ports)
    for tls in (False, True):
        command = [
            "curl",
            "-sS",
            "--proxy",
            f"https://localhost:{proxy.port}",
            "--proxy-cacert",
            str(scene.ca),
        ]
        command += ["--proxy-user", scene.user, "--cacert", str(scene.ca), scene.url(tls=tls)]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert done.stdout == HELLO, done.stderr


def test_a_load_balancer_says_who_calls(scene: Scene, start: Start) -> None:
    ports = '[[listener]]\naddress = "127.0.0.1:0"\nproxy_protocol = "127.0.0.0/8"\n'
    proxy = start(scene.configuration() + ports)
    before = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n"
    assert absolute(proxy.port, scene.url(), scene.key, before) == (200, HELLO.decode())
    assert proxy.access(kind="request")["peer"] == "192.0.2.7:4711"


def test_http2_carries_requests_and_tunnels(scene: Scene, proxy: Egress) -> None:
    at = f"origin.test:{scene.destination.port}"
    proof = (b"proxy-authorization", f"Bearer {scene.key}".encode())
    with Http2(dial(proxy.port), client=True).begin() as client:
        got = client.answer(client.request("/hello", authority=at, more=[proof]))
        assert (got.status, got.body) == (200, HELLO)
        stream = client.headers([(b":method", b"CONNECT"), (b":authority", at.encode()), proof], end=False)
        client.data(stream, b"GET /hello HTTP/1.0\r\n\r\n")
        body = client.body_of(stream, len(HELLO))
        client.until("the answer in the tunnel", lambda: HELLO in client.so_far(stream).body or None)
        assert body.startswith(b"HTTP/1.1 200")


def test_websockets_pass(scene: Scene, proxy: Egress, websocket: int) -> None:
    with proxy_connection(proxy, scene, websocket) as connection:
        connection.sendall(b"\x81\x85" + bytes(4) + b"hello")
        assert connection.recv(100) == b"\x81\x05hello"
    assert proxy.access(kind="upgrade")["status"] == 101
    through = proxy.url.replace("://", f"://{scene.user}@")
    with connect(f"ws://origin.test:{websocket}/echo", proxy=through) as tunnelled:
        tunnelled.send("again")
        assert tunnelled.recv() == "again"


def proxy_connection(proxy: Egress, scene: Scene, port: int) -> socket.socket:
    """A websocket in absolute form, opened by hand."""
    connection = dial(proxy.port)
    asked = (
        f"GET http://origin.test:{port}/echo HTTP/1.1\r\nhost: origin.test:{port}\r\n"
        f"proxy-authorization: Bearer {scene.key}\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    connection.sendall(asked.encode())
    assert b" 101 " in answer(connection).split(b"\r\n")[0]
    return connection


def test_breakers_open(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration() + "[breakers.destination]\nconnections = 1\npending = 1\n")
    target = f"origin.test:{scene.destination.port}"
    with tunnel(proxy.port, target, scene.user) as first, tunnel(proxy.port, target, scene.user) as second:
        assert first.get() == HELLO
        assert second.status == 503 and "x-envoy-overloaded" in second.head
    assert proxy.access(status=503)["fired"].startswith("breaker destination")
    until("there is room again", lambda: status(proxy.port, target, scene.user) == 200)


def test_what_can_be_seen_holds_no_secret(scene: Scene, proxy: Egress) -> None:
    with proxy.client(scene.user) as client:
        client.get(scene.url())
    dump, stats, metrics = (proxy.admin(path).text for path in ("config_dump", "stats", "metrics"))
    assert '"ci"' in dump and scene.digest.removeprefix("sha256:") not in dump
    assert "dns_cache.egress.dns_query_attempt" in stats
    assert "penstock_egress" in metrics
    everything = proxy.process.log.read_text("utf-8") + proxy.process.out.read_text("utf-8")
    assert scene.key not in dump + stats + metrics + everything


def test_a_destination_is_verified(scene: Scene, proxy: Egress) -> None:
    """An https:// URL in absolute form: the proxy itself speaks TLS to the destination."""
    for host, code in (("origin.test", 200), ("unnamed.test", 502)):
        scene.names.names.setdefault(host, [["127.0.0.1"]])
        assert absolute(proxy.port, scene.url(host, tls=True), scene.key)[0] == code


def test_resources_that_name_the_destination_in_a_header(scene: Scene, start: Start) -> None:
    text = together(ENABLED, BY_HEADER)
    headers = {"host": "foo", "x-rewrite-me": f"127.0.0.1:{scene.destination.port}"}
    for proxy, code in ((start(text, "yaml"), 403), (start(ADDED, files={"gateway.yaml": text}), 200)):
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"{proxy.url}/hello", headers=headers).status_code == code
            assert client.get(f"{proxy.url}/hello", headers={"host": "foo"}).status_code == 400
            assert client.get(f"{proxy.url}/hello", headers={"host": "bar"}).status_code == 404
        assert status(proxy.port, "origin.test:443") >= 400


def test_resources_that_terminate_connect(scene: Scene, start: Start) -> None:
    text, target = together(TUNNEL_GATEWAY, TUNNELS, BREAKERS), f"127.0.0.1:{scene.destination.tls_port}"
    assert status(start(text, "yaml").port, target) == 403
    proxy = start(ADDED, files={"gateway.yaml": text})
    with tunnel(proxy.port, target).tls(scene.ca, "origin.test") as secured:
        secured.sendall(b"GET /hello HTTP/1.1\r\nhost: origin.test\r\n\r\n")
        assert answer(secured).endswith(HELLO)
        stats = proxy.admin("stats").json()
        assert 39_999 in [left for name, left in stats.items() if "remaining_cx" in name], stats


def _accepts(port: int) -> bool:
    try:
        dial(port).close()
    except OSError:
        return False
    return True
