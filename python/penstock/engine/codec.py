"""Questions and verdicts as the JSON of ``crates/domain``."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock.domain.app import App, Visitor
from penstock.domain.errors import PenstockError
from penstock.domain.plan import Plan, PostgresLogin, Target, TcpTarget
from penstock.domain.principal import (
    AgentCredential,
    AgentPrincipal,
    CertificateCredential,
    Credential,
    Principal,
    TokenCredential,
    UserPrincipal,
    WorkerPrincipal,
)
from penstock.domain.question import (
    Answer,
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


def read_question(text: str) -> Question:
    """Raises ``ValueError``, ``KeyError`` or ``TypeError`` if it is none."""
    shape = json.loads(text)
    match shape["ask"]:
        case "authenticate":
            return Authenticate(_credential(shape["credential"]), shape["peer"])
        case "decide":
            return Decide(_principal(shape["principal"]), shape["connection"], shape["peer"])
        case "begin":
            return Begin(
                session=shape["session"],
                connection=shape["connection"],
                principal=_principal(shape["principal"]),
                client=_client(shape["client"]),
                peer=shape["peer"],
            )
        case "ended":
            return Ended(shape["session"], _end(shape))
        case "enter":
            return Enter(shape["app"], shape["token"], shape["peer"])
        case "call":
            return Call(shape["name"], shape["token"], shape["peer"])
        case "passages":
            return Passages(tuple(_passage(passage) for passage in shape["passages"]))
        case other:
            raise ValueError(f"unknown question {other!r}")


def write_verdict(verdict: Verdict) -> str:
    """The verdict's JSON."""
    return json.dumps(_verdict(verdict))


def write_apps(apps: Sequence[App]) -> str:
    """The JSON of all apps, as the core is told them."""
    return json.dumps([_app(app) for app in apps])


def _credential(shape: dict[str, Any]) -> Credential:
    match shape["kind"]:
        case "token":
            return TokenCredential(shape["token"])
        case "agent":
            return AgentCredential(shape["name"], shape["secret"])
        case "certificate":
            return CertificateCredential(tuple(shape["names"]), shape["fingerprint"])
        case other:
            raise ValueError(f"unknown credential {other!r}")


def _principal(shape: dict[str, Any]) -> Principal:
    match shape["kind"]:
        case "user":
            return UserPrincipal(shape["id"], shape["name"], shape["token"])
        case "agent":
            return AgentPrincipal(shape["name"])
        case "worker":
            return WorkerPrincipal(shape["name"], shape["app"])
        case other:
            raise ValueError(f"unknown principal {other!r}")


def _client(shape: dict[str, Any]) -> Client:
    return Client(shape["user"], shape["database"], shape["application"])


def _end(shape: dict[str, Any]) -> SessionEnd:
    return SessionEnd(
        status=SessionStatus(shape["status"]),
        reason=shape["reason"],
        statements=shape["statements"],
        client_bytes=shape["client_bytes"],
        upstream_bytes=shape["upstream_bytes"],
        head=shape["head"] or None,
        records=shape["records"],
        gap=_gap(shape.get("gap")),
    )


def _gap(shape: dict[str, Any] | None) -> Gap | None:
    if shape is None:
        return None
    return Gap(_instant(shape["since"]), shape["events"], shape["reason"])


def _passage(shape: dict[str, Any]) -> Session:
    end: dict[str, Any] = shape["end"] or {}
    return Session(
        id=shape["session"],
        connection="",
        type=SessionType.EGRESS,
        agent=None,
        user_id=shape["user"],
        principal=shape["principal"],
        token_id=shape["token"],
        peer=shape["peer"],
        started_at=_instant(shape["started_at"]),
        status=SessionStatus(end["status"]) if end else SessionStatus.OPEN,
        reason=end.get("reason"),
        ended_at=_instant(end["at"]) if end else None,
        client_bytes=end.get("client_bytes", 0),
        upstream_bytes=end.get("upstream_bytes", 0),
        target=shape["target"],
        rule=shape["rule"],
        verdict=shape["verdict"],
    )


def _instant(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _verdict(verdict: Verdict) -> object:
    match verdict:
        case UserPrincipal(id=user_id, name=name, token=token):
            return {"principal": {"kind": "user", "id": user_id, "name": name, "token": token}}
        case AgentPrincipal(name=name):
            return {"principal": {"kind": "agent", "name": name}}
        case WorkerPrincipal(name=name, app=app):
            return {"principal": {"kind": "worker", "name": name, "app": app}}
        case Visitor():
            return {"visitor": _visitor(verdict)}
        case Plan():
            return {"plan": _plan(verdict)}
        case Answer.NOTED:
            return "noted"
        case Revoked(sessions=sessions):
            return {"revoked": list(sessions)}
        case PenstockError():
            return {"deny": verdict.as_json()}


def _visitor(visitor: Visitor) -> dict[str, Any]:
    return {
        "id": visitor.id,
        "name": visitor.name,
        "groups": sorted(visitor.groups),
        "token": visitor.token,
        "expires_at": int(visitor.expires_at.timestamp()),
    }


def _app(app: App) -> dict[str, Any]:
    name = {} if app.selector.name is None else {"name": app.selector.name}
    return {
        "id": app.id,
        "name": app.name,
        "routes": [{"host": route.host, "path": route.path} for route in app.routes],
        "identify": app.identify,
        "selector": {"kind": app.selector.kind, **name},
        "timeout_seconds": app.timeout_seconds,
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "session": plan.session,
        "connection": plan.connection,
        "agent": plan.agent,
        "target": _target(plan.target),
        "protocol": "tcp" if plan.login is None else {"postgres": _login(plan.login)},
        "recording": {
            "path": plan.recording,
            "level": plan.rules.level.value,
            "required": plan.rules.required,
        },
        "limits": {
            "idle_seconds": plan.limits.idle_seconds,
            "statement_bytes": plan.limits.statement_bytes,
        },
        "expires_at": None if plan.expires_at is None else int(plan.expires_at.timestamp()),
    }


def _target(target: Target) -> dict[str, str]:
    return {"tcp": target.address} if isinstance(target, TcpTarget) else {"unix": target.path}


def _login(login: PostgresLogin) -> dict[str, str | None]:
    return {
        "user": login.user,
        "password": login.password,
        "database": login.database,
        "sslmode": login.sslmode,
        "sslnegotiation": login.sslnegotiation,
        "sslrootcert": login.sslrootcert,
    }
