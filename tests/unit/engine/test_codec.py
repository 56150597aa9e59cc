"""Questions and verdicts as the core writes and reads them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from penstock.domain.app import App, Route, Selector, SelectorKind, Visitor
from penstock.domain.errors import Code, PenstockError, Side
from penstock.domain.plan import Limits, Plan, PostgresLogin, RecordingRules, TcpTarget, UnixTarget
from penstock.domain.principal import (
    AgentCredential,
    AgentPrincipal,
    CertificateCredential,
    TokenCredential,
    UserPrincipal,
    WorkerPrincipal,
)
from penstock.domain.question import (
    NOTED,
    Authenticate,
    Begin,
    Call,
    Decide,
    Ended,
    Enter,
    Passages,
    Question,
    Revoked,
    Verdict,
)
from penstock.domain.session import Client, Gap, Session, SessionEnd, SessionStatus, SessionType
from penstock.engine.codec import read_question, write_apps, write_verdict

USER = {"kind": "user", "id": "u1", "name": "me@example.com", "token": "t1"}
PRINCIPAL = UserPrincipal("u1", "me@example.com", "t1")
COUNTS = {"statements": 3, "client_bytes": 4, "upstream_bytes": 5, "records": 6}
GAP = Gap(datetime.fromtimestamp(1_700_000_000, UTC), 4, "disk full")


@pytest.mark.parametrize(
    ("shape", "question"),
    [
        (
            {"ask": "authenticate", "credential": {"kind": "token", "token": "pst_x"}, "peer": "p"},
            Authenticate(TokenCredential("pst_x"), "p"),
        ),
        (
            {
                "ask": "authenticate",
                "credential": {"kind": "agent", "name": "a", "secret": "s"},
                "peer": "p",
            },
            Authenticate(AgentCredential("a", "s"), "p"),
        ),
        (
            {
                "ask": "authenticate",
                "credential": {"kind": "certificate", "names": ["a", "b"], "fingerprint": "0f"},
                "peer": "p",
            },
            Authenticate(CertificateCredential(("a", "b"), "0f"), "p"),
        ),
        (
            {"ask": "decide", "principal": USER, "connection": "db", "peer": "p"},
            Decide(PRINCIPAL, "db", "p"),
        ),
        (
            {
                "ask": "begin",
                "session": "s",
                "connection": "db",
                "principal": {"kind": "agent", "name": "a"},
                "client": {"user": "u", "database": "d", "application": "psql"},
                "peer": "p",
            },
            Begin("s", "db", AgentPrincipal("a"), Client("u", "d", "psql"), "p"),
        ),
        (
            {"ask": "ended", "session": "s", "status": "killed", "reason": "why", "head": "beef", **COUNTS},
            Ended("s", SessionEnd(SessionStatus.KILLED, "why", 3, 4, 5, "beef", 6)),
        ),
        (
            {
                "ask": "ended",
                "session": "s",
                "status": "closed",
                "reason": None,
                "head": "",
                "gap": {"since": 1_700_000_000_000_000, "events": 4, "reason": "disk full"},
                **COUNTS,
            },
            Ended("s", SessionEnd(SessionStatus.CLOSED, None, 3, 4, 5, None, 6, GAP)),
        ),
        (
            {
                "ask": "decide",
                "principal": {"kind": "worker", "name": "w", "app": "shop"},
                "connection": "db",
                "peer": "p",
            },
            Decide(WorkerPrincipal("w", "shop"), "db", "p"),
        ),
        ({"ask": "enter", "app": "shop", "token": "pst_x", "peer": "p"}, Enter("shop", "pst_x", "p")),
        ({"ask": "call", "name": "ci", "token": "pss_x", "peer": "p"}, Call("ci", "pss_x", "p")),
        ({"ask": "call", "name": None, "token": "pss_x", "peer": "p"}, Call(None, "pss_x", "p")),
    ],
)
def test_questions(shape: dict[str, Any], question: Question) -> None:
    assert read_question(json.dumps(shape)) == question


def test_passages_are_sessions_without_a_connection() -> None:
    shape: dict[str, Any] = {
        "session": "s",
        "principal": "ci",
        "user": "u1",
        "token": "t1",
        "peer": "p",
        "target": "a.example:443",
        "rule": None,
        "verdict": "allowed",
        "started_at": 1_700_000_000_000_000,
        "end": None,
    }
    end = {"status": "failed", "reason": "reset", "client_bytes": 4, "upstream_bytes": 5}
    over = {**shape, "verdict": "cut", "end": {**end, "at": 1_700_000_001_000_000}}
    started = datetime.fromtimestamp(1_700_000_000, UTC)
    one = Session("s", "", SessionType.EGRESS, None, "u1", "ci", "t1", "p", started)
    one = replace(one, target="a.example:443", verdict="allowed")
    ended = replace(
        one,
        status=SessionStatus.FAILED,
        reason="reset",
        ended_at=datetime.fromtimestamp(1_700_000_001, UTC),
        client_bytes=4,
        upstream_bytes=5,
        verdict="cut",
    )
    asked = read_question(json.dumps({"ask": "passages", "passages": [shape, over]}))
    assert asked == Passages((one, ended))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"ask":"approve"}',
        '{"ask":"decide"}',
        '{"ask":"authenticate","credential":{"kind":"password"},"peer":"p"}',
        '{"ask":"ended","session":"s","status":"lost","reason":null,"head":""}',
    ],
)
def test_what_is_no_question_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_question(text)


def _plan(login: PostgresLogin | None, expires_at: datetime | None) -> Plan:
    target = TcpTarget("db:5432") if login else UnixTarget("/run/x")
    return Plan("s", "db", "a", target, login, "/r/s.rec", RecordingRules(), Limits(3600, 1024), expires_at)


@pytest.mark.parametrize(
    ("verdict", "shape"),
    [
        (PRINCIPAL, {"principal": USER}),
        (AgentPrincipal("a"), {"principal": {"kind": "agent", "name": "a"}}),
        (WorkerPrincipal("w", "shop"), {"principal": {"kind": "worker", "name": "w", "app": "shop"}}),
        (
            Visitor("u1", "me@example.com", frozenset({"b", "a"}), "t1", datetime.fromtimestamp(1.9, UTC)),
            {
                "visitor": {
                    "id": "u1",
                    "name": "me@example.com",
                    "groups": ["a", "b"],
                    "token": "t1",
                    "expires_at": 1,
                }
            },
        ),
        (NOTED, "noted"),
        (Revoked(("s1", "s2")), {"revoked": ["s1", "s2"]}),
        (
            PenstockError(Code.FORBIDDEN, Side.POLICY, "no", hint="ask"),
            {"deny": {"code": "forbidden", "side": "policy", "message": "no", "hint": "ask"}},
        ),
        (
            _plan(PostgresLogin("u", "d", "require", "p", None), datetime.fromtimestamp(1700000000, UTC)),
            {
                "plan": {
                    "session": "s",
                    "connection": "db",
                    "agent": "a",
                    "target": {"tcp": "db:5432"},
                    "protocol": {
                        "postgres": {
                            "user": "u",
                            "password": "p",
                            "database": "d",
                            "sslmode": "require",
                            "sslnegotiation": "postgres",
                            "sslrootcert": None,
                        }
                    },
                    "recording": {"path": "/r/s.rec", "level": "process", "required": True},
                    "limits": {"idle_seconds": 3600, "statement_bytes": 1024},
                    "expires_at": 1700000000,
                }
            },
        ),
    ],
)
def test_verdicts(verdict: Verdict, shape: object) -> None:
    assert json.loads(write_verdict(verdict)) == shape


def test_a_plan_without_a_login_is_plain_bytes() -> None:
    plan = json.loads(write_verdict(_plan(None, None)))["plan"]
    assert (plan["protocol"], plan["target"], plan["expires_at"]) == ("tcp", {"unix": "/run/x"}, None)


def test_apps_are_told_without_who_serves_and_who_enters_them() -> None:
    now = datetime.fromtimestamp(0, UTC)
    kept = Selector(SelectorKind.COOKIE, "worker")
    shop = App("i1", "shop", (Route("a.example", "/x"),), ("w",), now, True, frozenset({"dev"}), kept, 7)
    told, bare = json.loads(write_apps([shop, App("i2", "wiki", (), (), now)]))
    assert told == {
        "id": "i1",
        "name": "shop",
        "routes": [{"host": "a.example", "path": "/x"}],
        "identify": True,
        "selector": {"kind": "cookie", "name": "worker"},
        "timeout_seconds": 7,
    }
    assert bare["selector"] == {"kind": "least-in-flight"}
