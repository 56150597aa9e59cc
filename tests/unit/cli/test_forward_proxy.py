"""The forward proxy on the way to the gateway, as the command line sees it."""

from __future__ import annotations

import httpx
import pytest
from penstock.cli import forward_proxy
from penstock.cli.api import Api
from penstock.cli.errors import Refusal
from penstock.domain.errors import PenstockError

GATEWAY = "https://gateway.test:8009"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_without_the_variable_there_is_none() -> None:
    assert forward_proxy.before(GATEWAY) is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_it_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "me:p%40ss@proxy.test:3128")
    found = forward_proxy.before(GATEWAY)
    assert found and found.place == "proxy.test:3128"
    assert found.client.raw_auth == (b"me", b"p@ss")


@pytest.mark.parametrize("without", ["gateway.test", ".test", "*"])
def test_what_is_reached_without_it(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", without)
    assert forward_proxy.before(GATEWAY) is None
    assert forward_proxy.before("https://127.0.0.1:8009") is None
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    assert forward_proxy.before(GATEWAY) is not None


def test_what_is_no_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:hush@proxy.test")
    with pytest.raises(PenstockError, match="HTTPS_PROXY") as caught, Api(GATEWAY):
        pass
    assert "hush" not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ("407 Proxy Authentication Required", "NAME:PASSWORD"),
        ("403 Forbidden", "administrator"),
        ("502 Bad Gateway", "NO_PROXY"),
        ("503 Service Unavailable", "NO_PROXY"),
        ("no HTTP at all", "HTTPS_PROXY"),
    ],
)
def test_each_refusal_says_what_to_do(answer: str, advice: str) -> None:
    proxy = forward_proxy.ForwardProxy(httpx.Proxy("http://me:hush@proxy.test:3128"))
    refusal: Refusal = proxy.refused(GATEWAY, httpx.ProxyError(answer))
    assert answer in refusal.message and "proxy.test:3128" in refusal.message
    assert advice in str(refusal.hint) and "hush" not in refusal.message
