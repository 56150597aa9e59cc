"""Logging in and out, and the first administrator."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Shell, problem

INFO = {
    "version": "0.1.0",
    "api_url": "https://gateway.test",
    "grpc_url": "grpcs://gateway.test:8010",
    "ca_pin": "sha256:cd",
    "setup_required": False,
}
GRANTED = {
    "token": "pst_new",
    "token_id": "t1",
    "expires_at": "2030-01-01T00:00:00Z",
    "user": {"id": "u1", "email": "ann@example.com", "groups": [], "admin": True},
}
LOGIN = ("login", "--api-url", "https://gateway.test", "--email", "ann@example.com", "--password-stdin")


@pytest.fixture
def open_gateway(shell: Shell) -> Shell:
    """A gateway that lets everybody in."""
    shell.gateway.answers |= {"GET /serverinfo": INFO, "POST /login": GRANTED, "POST /setup": GRANTED}
    return shell


def test_login_keeps_address_and_token(open_gateway: Shell) -> None:
    result = open_gateway(*LOGIN, "-o", "json", stdin="s3cret word \n")
    assert result.code == 0
    assert result.json["email"] == "ann@example.com"
    assert "pst_new" not in result.out + result.err
    assert open_gateway.gateway.bodies("POST /login") == [
        {"email": "ann@example.com", "password": "s3cret word "}
    ]
    config = (open_gateway.home / "config.toml").read_text()
    assert 'grpc_url = "grpcs://gateway.test:8010"' in config
    assert 'grpc_ca_pin = "sha256:cd"' in config
    assert "pst_new" not in config
    assert (open_gateway.home / "token").read_text() == "pst_new\n"


def test_login_tells_a_person_until_when(open_gateway: Shell) -> None:
    result = open_gateway(*LOGIN, stdin="pw\n")
    assert result.out.startswith("Logged in to https://gateway.test as ann@example.com, until 20")


def test_a_wrong_password_keeps_nothing(open_gateway: Shell) -> None:
    open_gateway.gateway.answers["POST /login"] = problem(
        401, "unauthenticated", "wrong e-mail address or password"
    )
    result = open_gateway(*LOGIN, stdin="pw\n")
    assert result.code == 1
    assert "error: wrong e-mail address or password" in result.err
    assert not (open_gateway.home / "token").exists()


def test_without_a_terminal_the_password_must_come_from_stdin(open_gateway: Shell) -> None:
    result = open_gateway("login", "--api-url", "https://gateway.test", "--email", "a@b")
    assert result.code == 2
    assert "--password-stdin" in result.err
    assert open_gateway(*LOGIN, stdin="\n").code == 2


def test_a_gateway_without_users_says_so_before_it_asks(open_gateway: Shell) -> None:
    open_gateway.gateway.answers["GET /serverinfo"] = {**INFO, "setup_required": True}
    result = open_gateway(*LOGIN, stdin="pw\n")
    assert result.code == 1
    assert "no administrator yet" in result.err
    assert "penstock setup --token" in result.err
    assert open_gateway.gateway.bodies("POST /login") == []


def test_setup_makes_the_first_administrator_and_logs_in(open_gateway: Shell) -> None:
    result = open_gateway(
        "setup",
        "--token",
        "once",
        "--api-url",
        "https://gateway.test",
        "--email",
        "ann@example.com",
        "--password-stdin",
        stdin="pw\n",
    )
    assert result.code == 0
    assert open_gateway.gateway.bodies("POST /setup") == [
        {"token": "once", "email": "ann@example.com", "password": "pw"}
    ]
    assert (open_gateway.home / "token").read_text() == "pst_new\n"


def test_a_second_login_knows_the_address(open_gateway: Shell) -> None:
    assert open_gateway(*LOGIN, stdin="pw\n").code == 0
    assert open_gateway("login", "--email", "ann@example.com", "--password-stdin", stdin="pw\n").code == 0
    assert {request.url.host for request in open_gateway.gateway.asked} == {"gateway.test"}


def test_logout_revokes_and_forgets(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /logout"] = None
    result = signed_in("logout", "-o", "json")
    assert (result.code, result.json) == (0, {"logged_out": True, "revoked": True})
    assert not (signed_in.home / "token").exists()
    assert signed_in("list").code == 1


def test_logout_works_although_the_gateway_is_gone(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /logout"] = problem(503, "draining", "shutting down")
    result = signed_in("logout")
    assert result.code == 0
    assert "not revoked at the gateway: shutting down" in result.err
    assert not (signed_in.home / "token").exists()


def test_logging_out_twice_is_no_error(shell: Shell) -> None:
    result = shell("logout")
    assert (result.code, result.out) == (0, "You were not logged in.\n")


def test_status_of_an_administrator(signed_in: Shell) -> None:
    signed_in.gateway.answers |= {
        "GET /serverinfo": INFO,
        "GET /userinfo": {**GRANTED["user"], "admin": True},  # type: ignore[dict-item]
        "GET /connections": [{"online": True}, {"online": False}],
        "GET /agents": [{"status": "online"}],
    }
    result = signed_in("status", "-o", "json")
    assert result.code == 0
    assert result.json["connections"] == {"total": 2, "online": 1}
    assert result.json["agents"] == {"total": 1, "online": 1}
    assert "1 of 2 online" in signed_in("status").out


def test_status_without_a_login_shows_the_gateway_and_fails(shell: Shell) -> None:
    shell.gateway.answers["GET /serverinfo"] = INFO
    result = shell("status", "-o", "json")
    assert result.code == 1
    assert result.json["version"] == "0.1.0"
    assert json.loads(result.err)["code"] == "unauthenticated"


def test_status_with_a_revoked_token_says_so(signed_in: Shell) -> None:
    signed_in.gateway.answers |= {
        "GET /serverinfo": INFO,
        "GET /userinfo": problem(401, "unauthenticated", "revoked"),
    }
    result = signed_in("status")
    assert result.code == 1
    assert "0.1.0" in result.out
    assert "error: revoked" in result.err
