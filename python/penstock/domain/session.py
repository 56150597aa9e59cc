"""Sessions: one principal's authorised use of one connection, or of the way out."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SessionStatus(StrEnum):
    """Where a session stands. All but the first and the last are the engine's words."""

    OPEN = "open"
    CLOSED = "closed"
    KILLED = "killed"
    EXPIRED = "expired"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class SessionType(StrEnum):
    """What is spoken: the connection's type, or ``egress`` for what leaves by the forward proxy."""

    POSTGRES = "postgres"
    TCP = "tcp"
    EGRESS = "egress"


RECORDED = frozenset(SessionType) - {SessionType.EGRESS}
"""Those with a connection and a recording. What leaves has neither: the access log is its record."""


@dataclass(frozen=True, slots=True)
class Client:
    """What the client said of itself; noted, never believed."""

    user: str = ""
    database: str = ""
    application: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """What is not in the recording, where one was not required: since when, how many events, and why."""

    since: datetime
    events: int
    reason: str


@dataclass(frozen=True, slots=True)
class Session:
    """One use of one connection. ``head`` is the recording's last hash, in hex.

    Of type ``egress`` it is a tunnel or an upgraded connection through the forward proxy: ``connection`` is
    empty, ``target`` says where it leads (``HOST:PORT``), ``rule`` which rule decided, and ``verdict`` what
    the access log says of it.
    """

    id: str
    connection: str
    type: SessionType
    agent: str | None
    user_id: str
    principal: str
    token_id: str
    peer: str
    started_at: datetime
    status: SessionStatus = SessionStatus.OPEN
    reason: str | None = None
    ended_at: datetime | None = None
    statements: int = 0
    client_bytes: int = 0
    upstream_bytes: int = 0
    client: Client = field(default_factory=Client)
    head: str | None = None
    gap: Gap | None = None
    target: str | None = None
    rule: str | None = None
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How a session ended, with its last counts."""

    status: SessionStatus
    reason: str | None
    statements: int
    client_bytes: int
    upstream_bytes: int
    head: str | None
    records: int = 0
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """What a live session has carried so far, and how far its recording has come."""

    statements: int
    client_bytes: int
    upstream_bytes: int
    records: int = 0
    head: str = ""


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions to list. ``before`` is the cursor that the previous page gave."""

    status: SessionStatus | None = None
    types: frozenset[SessionType] | None = None
    connection: str | None = None
    principal: str | None = None
    user_id: str | None = None
    token_id: str | None = None
    agent: str | None = None
    limit: int | None = None
    before: tuple[datetime, str] | None = None
