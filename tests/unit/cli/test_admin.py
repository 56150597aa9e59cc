"""Agents, connections, users and groups."""

from __future__ import annotations

import time

import pytest

from tests.unit.cli.conftest import Shell, problem

AGENT = {
    "id": "a1",
    "name": "office",
    "status": "offline",
    "links": 0,
    "created_at": "2026-01-01T00:00:00Z",
    "last_seen_at": None,
}
KEY = "grpcs://office:s3cret@gateway.test:8010?ca=sha256:00"


def test_an_agents_key_is_in_the_json(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /agents"] = {**AGENT, "key": KEY}
    result = signed_in("admin", "create", "agent", "office", "-o", "json")
    assert result.code == 0
    assert result.json["key"] == KEY
    assert signed_in.gateway.bodies("POST /agents") == [{"name": "office"}]


def test_an_agents_key_comes_with_the_line_to_use_it(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /agents"] = {**AGENT, "key": KEY}
    result = signed_in("admin", "create", "agent", "office")
    assert f"PENSTOCK_KEY='{KEY}' penstock start agent" in result.out
    assert "this one time" in result.err


def test_a_connection_takes_its_settings_in_order(signed_in: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASS", "from = the environment")
    signed_in.gateway.answers["POST /connections"] = lambda request: {"name": "db"}
    result = signed_in(
        "admin",
        "create",
        "connection",
        "db",
        "--type",
        "postgres",
        "--agent",
        "office",
        "-e",
        "HOST=10.0.0.5",
        "-e",
        "PORT=5432",
        "-e",
        "PASS",
        "-e",
        "DB=a=b",
        "--group",
        "developers",
        "--group",
        "ops",
    )
    assert result.code == 0
    assert signed_in.gateway.bodies("POST /connections") == [
        {
            "name": "db",
            "type": "postgres",
            "agent": "office",
            "groups": ["developers", "ops"],
            "env": {"HOST": "10.0.0.5", "PORT": "5432", "PASS": "from = the environment", "DB": "a=b"},
        }
    ]


@pytest.mark.parametrize("setting", ["=x", "", "NOT_SET_ANYWHERE"])
def test_settings_that_are_none_are_usage_errors(signed_in: Shell, setting: str) -> None:
    result = signed_in("admin", "create", "connection", "db", "--type", "tcp", "-e", setting)
    assert result.code == 2
    assert signed_in.gateway.asked == []


APP = {"name": "shop", "routes": ["a.example", "b.example/x"], "workers": ["shop"], "status": "offline"}


def test_an_app_says_where_it_is_and_who_serves_it(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /apps"] = APP
    result = signed_in("admin", "create", "app", "shop", "--route", "a.example", "--route", "b.example/x")
    assert "published at a.example, b.example/x" in result.out
    assert "certificate is named shop" in result.out
    assert signed_in.gateway.bodies("POST /apps") == [
        {
            "name": "shop",
            "routes": ["a.example", "b.example/x"],
            "workers": [],
            "identify": False,
            "access": [],
        }
    ]


def test_an_app_takes_all_that_the_api_takes(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /apps"] = APP
    options = "--route a.example --worker w1 --worker w2 --identify --access staff --timeout 300 -o json"
    line = f"admin create app shop --selector cookie:worker {options}"
    assert signed_in(*line.split()).json == APP
    assert signed_in.gateway.bodies("POST /apps") == [
        {
            "name": "shop",
            "routes": ["a.example"],
            "workers": ["w1", "w2"],
            "identify": True,
            "access": ["staff"],
            "selector": "cookie:worker",
            "timeout_seconds": 300,
        }
    ]


def test_an_app_needs_a_route(signed_in: Shell) -> None:
    assert signed_in("admin", "create", "app", "shop").code == 2
    assert signed_in.gateway.asked == []


def test_a_user_needs_a_password_from_somewhere(signed_in: Shell) -> None:
    assert signed_in("admin", "create", "user", "bo@example.com").code == 2
    signed_in.gateway.answers["POST /users"] = {"id": "u2", "email": "bo@example.com", "groups": ["dev"]}
    result = signed_in(
        "admin", "create", "user", "bo@example.com", "--group", "dev", "--password-stdin", stdin="pw pw\n"
    )
    assert result.code == 0
    assert signed_in.gateway.bodies("POST /users") == [
        {"email": "bo@example.com", "password": "pw pw", "groups": ["dev"]}
    ]


ACCOUNT = {"id": "s1", "name": "ci", "groups": ["build"], "status": "enabled", "expires_at": None}


def test_a_service_accounts_key_is_shown_once(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /service-accounts"] = {**ACCOUNT, "key": "pss_secret"}
    result = signed_in("admin", "create", "service-account", "ci", "--group", "build")
    assert (result.code, "pss_secret" in result.out, "this one time" in result.err) == (0, True, True)
    assert signed_in.gateway.bodies("POST /service-accounts") == [
        {"name": "ci", "groups": ["build"], "expires_at": None}
    ]


def test_a_service_account_ends_in_the_readers_zone(
    signed_in: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    signed_in.gateway.answers["POST /service-accounts"] = {**ACCOUNT, "key": "pss_secret"}
    result = signed_in("admin", "create", "service-account", "ci", "--expires", "2030-01-01", "-o", "json")
    monkeypatch.undo()
    time.tzset()
    assert result.json["key"] == "pss_secret"
    (body,) = signed_in.gateway.bodies("POST /service-accounts")
    assert body["expires_at"] == "2030-01-01T00:00:00+02:00"


def test_a_service_account_is_changed(signed_in: Shell) -> None:
    signed_in.gateway.answers |= {
        "PATCH /service-accounts/ci": {**ACCOUNT, "status": "disabled"},
        "POST /service-accounts/ci/key": {**ACCOUNT, "key": "pss_new"},
    }
    update = ("admin", "update", "service-account", "ci")
    assert "disabled" in signed_in(*update, "--disable").out
    assert signed_in(*update, "--enable", "-o", "json").code == 0
    assert signed_in.gateway.bodies("PATCH /service-accounts/ci") == [{"disabled": True}, {"disabled": False}]
    assert "pss_new" in signed_in(*update, "--new-key").out
    assert signed_in(*update).code == signed_in(*update, "--new-key", "--enable").code == 2


def test_what_exists_already_is_refused_in_the_gateways_words(signed_in: Shell) -> None:
    signed_in.gateway.answers["POST /groups"] = problem(409, "conflict", "there is a group 'dev' already")
    result = signed_in("admin", "create", "group", "dev")
    assert (result.code, result.err) == (1, "error: there is a group 'dev' already\n")


@pytest.mark.parametrize(
    ("kind", "path", "item", "seen"),
    [
        ("agent", "agents", AGENT, "office"),
        ("connection", "connections", {"name": "db", "type": "tcp", "agent": None, "online": True}, "online"),
        ("app", "apps", {"name": "shop", "routes": ["a.example", "b.example"]}, "a.example, b.example"),
        ("user", "users", {"email": "bo@example.com", "groups": ["dev", "ops"], "admin": False}, "dev, ops"),
        ("group", "groups", {"name": "dev", "users": 3}, "3"),
        ("service-account", "service-accounts", {"name": "ci", "status": "enabled"}, "enabled"),
    ],
)
def test_get_lists_or_shows(
    signed_in: Shell, kind: str, path: str, item: dict[str, object], seen: str
) -> None:
    signed_in.gateway.answers |= {f"GET /{path}": [item], f"GET /{path}/it": item}
    assert seen in signed_in("admin", "get", kind).out
    assert seen in signed_in("admin", "get", kind, "it").out
    assert seen in signed_in("admin", "get", f"{kind}s").out
    assert signed_in("admin", "get", kind, "-o", "json").json == [item]
    assert signed_in("admin", "get", kind, "it", "-o", "json").json == item


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("agent", "agents"),
        ("connection", "connections"),
        ("app", "apps"),
        ("user", "users"),
        ("group", "groups"),
        ("service-account", "service-accounts"),
    ],
)
def test_delete(signed_in: Shell, kind: str, path: str) -> None:
    signed_in.gateway.answers[f"DELETE /{path}/it"] = None
    assert signed_in("admin", "delete", kind, "it").out == f"Deleted {kind} it.\n"
    assert signed_in("admin", "delete", kind, "other").code == 1


def test_empty_lists_say_so(signed_in: Shell) -> None:
    signed_in.gateway.answers["GET /agents"] = []
    assert signed_in("admin", "get", "agent").out == "There is no agent yet.\n"
    assert signed_in("admin", "get", "agent", "-o", "json").json == []


def test_tables_are_one_line_per_row_and_harmless(signed_in: Shell) -> None:
    name = "x" * 200 + "\x1b[31m\n[bold]"
    signed_in.gateway.answers["GET /connections"] = [
        {"name": name, "type": "tcp", "agent": None, "online": True}
    ]
    lines = signed_in("list").out.splitlines()
    assert len(lines) == 2
    assert lines[0].split() == ["NAME", "TYPE", "AGENT", "STATUS"]
    assert lines[1].split() == ["x" * 200 + "\\x1b[31m\\n[bold]", "tcp", "-", "online"]


def test_describe_shows_no_secret_and_how_to_use_it(signed_in: Shell) -> None:
    signed_in.gateway.answers["GET /connections/db"] = {
        "name": "db",
        "type": "postgres",
        "agent": "office",
        "online": False,
        "groups": ["admin"],
        "env": {"HOST": "10.0.0.5", "PASS": "***"},
        "created_at": "2026-01-01T00:00:00Z",
    }
    out = signed_in("describe", "db").out
    assert "HOST=10.0.0.5 PASS=***" in out
    assert "penstock exec db -i 'SELECT 1'" in out
