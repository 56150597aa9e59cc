"""A session as a person reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from penstock.cli.text import instant, size, when


def row(session: dict[str, Any]) -> dict[str, Any]:
    """A session for a table: local times, how long it lasted, and where it leads if not to a connection."""
    times = {key: when(session.get(key)) for key in ("started_at", "ended_at")}
    where = session.get("connection") or session.get("target")
    return {
        **session,
        **times,
        "connection": where,
        "lasted": lasted(session),
        "principal": principal(session),
    }


def fields(session: dict[str, Any]) -> dict[str, Any]:
    """A session in full."""
    table = {**row(session), "connection": session.get("connection")}
    shown = {key: value for key, value in table.items() if value is not None}
    for key in ("client_bytes", "upstream_bytes"):
        shown[key] = size(session.get(key))
    client = session.get("client") or {}
    shown["client"] = {key: value for key, value in client.items() if value} or None
    return shown


def principal(session: dict[str, Any]) -> str:
    """The principal's name."""
    who = session.get("principal")
    return str(who.get("name") if isinstance(who, dict) else who)


def lasted(session: dict[str, Any]) -> str:
    """How long the session lasted, or has lasted so far."""
    start = instant(session.get("started_at") or "")
    end = instant(session.get("ended_at") or "")
    if start is None or (end is None and session.get("status") != "open"):
        return "-"
    return duration(((end or datetime.now(UTC)) - start).total_seconds())


def duration(seconds: float) -> str:
    """A span of time in the unit that fits it."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
