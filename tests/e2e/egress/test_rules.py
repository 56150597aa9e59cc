"""Who may go where, and what is told to who may not."""

from __future__ import annotations

import base64
import ssl
from contextlib import suppress

import httpx
import pytest

from tests.e2e.egress.conftest import Scene, Start
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.destination import HELLO
from tests.e2e.stack.egress import Egress
from tests.e2e.stack.tunnel import answer, status, tunnel


def test_who_proves_nothing_is_asked_to(scene: Scene, proxy: Egress) -> None:
    with proxy.client() as client:
        answer = client.get(scene.url())
    assert answer.status_code == 407
    assert {value.split()[0] for value in answer.headers.get_list("proxy-authenticate")} == {
        "Basic",
        "Bearer",
    }
    assert status(proxy.port, "origin.test:443") == 407
    line = proxy.access(verdict="unauthenticated")
    assert line["status"] == 407 and "principal" not in line


@pytest.mark.parametrize(
    ("scheme", "status"),
    [("Bearer {key}", 200), ("Basic {basic}", 200), ("Bearer x", 407), ("Digest x", 407)],
)
def test_a_key_is_a_password_and_a_token(scene: Scene, proxy: Egress, scheme: str, status: int) -> None:
    basic = base64.b64encode(scene.user.encode()).decode()
    proof = {"proxy-authorization": scheme.format(key=scene.key, basic=basic)}
    with proxy.client(headers=proof) as client:
        answer = client.get(scene.url(path="/request"))
    assert answer.status_code == status
    if status == 200:
        asked = answer.json()
        assert asked["line"] == "GET /request HTTP/1.1"
        assert "proxy-authorization" not in {name.lower() for name, _ in asked["headers"]}


def test_a_refusal_names_the_rule_and_what_to_do(scene: Scene, start: Start) -> None:
    rules = (
        '[[profile]]\nname = "builders"\ngroups = "build"\n[[profile.rule]]\nname = "no-others"\n'
        'deny = "other.test"\nreason = "builds read origin alone"\n[[profile.rule]]\nallow = "origin.test"\n'
    )
    proxy = start(scene.configuration(rules))
    with proxy.client(scene.user, headers={"accept": "application/problem+json"}) as client:
        assert client.get(scene.url()).content == HELLO
        denied = client.get(scene.url("other.test"))
        nobody = client.get("http://elsewhere.test/")
    assert denied.status_code == 403
    assert "builders/no-others" in denied.text and "builds read origin alone" in denied.text
    assert denied.json()["hint"]
    assert nobody.status_code == 403 and "no rule allows" in nobody.text
    line = proxy.access(verdict="denied", requested=f"other.test:{scene.destination.port}")
    assert (line["principal"], line["rule"]) == ("ci", "builders/no-others")


def test_what_a_rule_cannot_see_it_does_not_let_through(scene: Scene, start: Start) -> None:
    rules = '[[rule]]\nname = "read"\nallow = "origin.test"\nmethods = ["GET"]\npaths = ["/hello"]\n'
    proxy = start(scene.configuration(rules))
    with proxy.client(scene.user) as client:
        assert client.get(scene.url()).content == HELLO
        assert client.get(scene.url(path="/request")).status_code == 403
        assert client.post(scene.url(), content=b"x").status_code == 403
        assert client.get(scene.url(path="/x/../hello")).status_code in (200, 403)
    target = f"origin.test:{scene.destination.tls_port}"
    assert status(proxy.port, target, scene.user) == 403
    assert proxy.access(kind="tunnel")["rule"] == "everybody/read"


def test_tunnels_lead_to_listed_ports(scene: Scene, start: Start) -> None:
    text = scene.configuration().replace('ports = ["1-65535"]', "ports = [443]")
    proxy = start(text)
    assert status(proxy.port, f"origin.test:{scene.destination.tls_port}", scene.user) == 403
    assert "port" in proxy.access(kind="tunnel")["error"]


def test_a_tunnel_begins_with_tls_that_names_where_it_goes(scene: Scene, start: Start) -> None:
    proxy = start(scene.configuration(connect="require_tls_name = true"))
    target = f"origin.test:{scene.destination.tls_port}"
    with (
        tunnel(proxy.port, target, scene.user) as opened,
        pytest.raises(ssl.SSLError, match=r"(?i)alert|unrecognized"),
    ):
        opened.tls(scene.ca, "other.test")
    with tunnel(proxy.port, target, scene.user) as opened:
        opened.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert opened.ends()
    assert proxy.access(kind="tunnel", sni="other.test")["verdict"] in ("denied", "cut")
    with tunnel(proxy.port, target, scene.user).tls(scene.ca, "origin.test") as secured:
        secured.sendall(b"GET /hello HTTP/1.1\r\nhost: origin.test\r\n\r\n")
        assert answer(secured).endswith(HELLO)


def test_a_rate_is_kept_and_told(scene: Scene, start: Start) -> None:
    rules = '[[rule]]\nname = "slow"\nallow = "*"\nrates = [{ requests = 2, period = "1h" }]\n'
    proxy = start(scene.configuration(rules))
    with proxy.client(scene.user) as client:
        assert [client.get(scene.url()).status_code for _ in range(2)] == [200, 200]
        limited = client.get(scene.url())
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) > 60 and limited.headers["ratelimit-policy"]
    assert proxy.access(verdict="limited")["fired"]


def test_a_budget_of_bytes_is_used_up(scene: Scene, start: Start) -> None:
    rules = '[[rule]]\nname = "small"\nallow = "*"\nbudgets = [{ bytes = "64KiB", period = "1d" }]\n'
    proxy = start(scene.configuration(rules))
    with proxy.client(scene.user) as client:
        assert client.get(scene.url(path="/bytes/60000")).status_code == 200
        with suppress(httpx.RemoteProtocolError):
            client.get(scene.url(path="/bytes/60000"))
        assert client.get(scene.url()).status_code == 429
    assert proxy.access(verdict="cut")["received_bytes"] < 60_000
    assert proxy.access(verdict="limited")["fired"] == "everybody/small"


def test_a_caller_ends(scene: Scene, start: Start) -> None:
    text = scene.configuration().replace("[connect]", "expires = 2020-01-01T00:00:00Z\n[connect]")
    proxy = start(text)
    with proxy.client(scene.user) as client:
        answer = client.get(scene.url())
    assert answer.status_code == 407


def test_an_address_is_proof_where_it_is_listed(scene: Scene, start: Start) -> None:
    text = scene.configuration() + '[caller.here]\nnetworks = "127.0.0.0/8"\n'
    proxy = start(text)
    with proxy.client() as client:
        assert client.get(scene.url()).content == HELLO
    assert proxy.access(verdict="allowed")["principal"] == "here"


def test_explain_says_what_the_proxy_does(scene: Scene, start: Start) -> None:
    rules = '[[rule]]\nname = "not-there"\ndeny = "other.test"\n'
    rules += '[[rule]]\nname = "rest"\nallow = "*"\nports = [80]\n'
    proxy = start(scene.configuration(rules))
    cli = Cli(proxy.home, proxy.processes)
    cases = {"http://other.test/": (1, "everybody/not-there"), "http://origin.test/": (0, "everybody/rest")}
    for url, (code, rule) in cases.items():
        said = cli.run("egress", "explain", "--config", str(proxy.file), "--as", "ci", url)
        assert (said.code, rule in said.out) == (code, True)
    with proxy.client(scene.user) as client:
        assert client.get("http://other.test/").status_code == httpx.codes.FORBIDDEN
