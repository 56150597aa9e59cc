"""The REST client's errors: what a person can act on."""

from __future__ import annotations

import json
import socket

import click
import httpx
import pytest
from penstock.cli.address import base_url, is_loopback
from penstock.cli.api import Api
from penstock.cli.errors import Refusal

from tests.unit.cli.conftest import FakeGateway, Shell, problem


def api(answer: object, url: str = "https://gateway.test") -> Api:
    return Api(url, "pst_x", transport=httpx.MockTransport(FakeGateway({"GET /agents": answer})))


def test_a_problem_keeps_the_gateways_words() -> None:
    with pytest.raises(Refusal) as caught:
        api(problem(403, "forbidden", "only administrators may list agents")).get("agents")
    error = caught.value
    assert (error.message, error.code, error.side) == (
        "only administrators may list agents",
        "forbidden",
        "client",
    )
    assert error.hint == "Ask an administrator for access."
    assert error.problem()["status"] == 403


def test_the_gateways_hint_is_above_ours() -> None:
    with pytest.raises(Refusal) as caught:
        api(problem(401, "unauthenticated", "expired", hint="it expired")).get("agents")
    assert caught.value.hint == "it expired"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>nginx</html>"),
        httpx.Response(502, text="Bad Gateway"),
        httpx.Response(500, json=["what"]),
        httpx.Response(302, headers={"location": "https://elsewhere.test"}),
    ],
)
def test_what_is_no_gateway_is_called_so(answer: httpx.Response) -> None:
    with pytest.raises(Refusal, match="probably no Penstock gateway"):
        api(answer).get("agents")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (httpx.ConnectTimeout("t"), "does not answer"),
        (httpx.ReadTimeout("t"), "did not answer in time"),
        (httpx.RemoteProtocolError("closed"), "was lost: closed"),
        (httpx.ConnectError("name not known"), "cannot be reached: name not known"),
    ],
)
def test_faults_of_the_network_have_words(fault: Exception, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        api(fault).get("agents")
    assert caught.value.hint
    assert caught.value.code == "lost"


def test_nobody_listening_asks_whether_the_gateway_runs() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Refusal, match="Nothing listens at") as caught, Api(url) as client:
            client.get("healthz")
    assert "penstock start gateway" in str(caught.value.hint)


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.cli.api._MAX_BODY", 1000)
    for status in (200, 500):
        with pytest.raises(Refusal, match="too long"):
            api(httpx.Response(status, content=(b"[" * 100 for _ in range(100)))).get("agents")


def test_names_cannot_leave_their_place_in_the_path() -> None:
    gateway = FakeGateway()
    client = Api("https://gateway.test", transport=httpx.MockTransport(gateway))
    with pytest.raises(Refusal):
        client.get("connections", "../users?x=1#y")
    assert gateway.asked[0].url.raw_path == b"/api/connections/..%2Fusers%3Fx%3D1%23y"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_names_that_are_no_names_are_refused(name: str) -> None:
    gateway = FakeGateway()
    with pytest.raises(Refusal, match="no name"):
        Api("https://gateway.test", transport=httpx.MockTransport(gateway)).delete("agents", name)
    assert gateway.asked == []


def test_the_token_travels_as_a_bearer(signed_in: Shell) -> None:
    signed_in.gateway.answers["GET /connections"] = []
    assert signed_in("list").code == 0
    assert signed_in.gateway.asked[-1].headers["authorization"] == "Bearer pst_test"


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("https://a.test:8009/", "https://a.test:8009"),
        ("a.test:8009", "https://a.test:8009"),
        ("http://[::1]:8009/x", "http://[::1]:8009"),
        ("https://a.test", "https://a.test"),
    ],
)
def test_addresses_as_people_type_them(typed: str, url: str) -> None:
    assert base_url(typed) == url


@pytest.mark.parametrize("typed", ["", "ftp://a.test", "https://", "https://a:99999", "https://a:b"])
def test_addresses_that_are_none(typed: str) -> None:
    with pytest.raises(click.UsageError):
        base_url(typed)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://127.0.0.1:1", True),
        ("https://localhost", True),
        ("http://[::1]:1", True),
        ("https://127.9.9.9", True),
        ("https://localhost.evil.test", False),
        ("https://127.0.0.1.evil.test", False),
        ("https://10.0.0.1", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_json_errors_carry_the_status(signed_in: Shell) -> None:
    signed_in.gateway.answers["GET /connections"] = problem(401, "unauthenticated", "the token is revoked")
    result = signed_in("list", "-o", "json")
    assert result.code == 1
    assert json.loads(result.err)["status"] == 401
