"""The immutable result of a decision: made here, enforced by the engine (``crates/domain/src/plan.rs``)."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class TcpTarget:
    """``HOST:PORT`` as the agent sees it, IPv6 in brackets."""

    address: str


@dataclass(frozen=True, slots=True)
class UnixTarget:
    """The path of a unix socket at the agent."""

    path: str


Target = TcpTarget | UnixTarget


@dataclass(frozen=True, slots=True)
class PostgresLogin:
    """The connection's own login at a PostgreSQL server."""

    user: str
    database: str
    sslmode: str
    password: str | None = field(default=None, repr=False)
    sslrootcert: str | None = None
    sslnegotiation: str = "postgres"


class RecordingLevel(StrEnum):
    """What the record of a burst has survived before the burst goes onward."""

    PROCESS = "process"
    FSYNC = "fsync"


@dataclass(frozen=True, slots=True)
class RecordingRules:
    """How sessions are recorded. Without ``required`` a session goes on when its recording cannot."""

    level: RecordingLevel = RecordingLevel.PROCESS
    required: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a session: seconds of silence, and bytes of a statement's text that are recorded."""

    idle_seconds: int
    statement_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the engine needs to carry one session. Without a ``login`` it carries plain bytes."""

    session: str
    connection: str
    agent: str | None
    target: Target
    login: PostgresLogin | None
    recording: str
    rules: RecordingRules
    limits: Limits
    expires_at: datetime | None
