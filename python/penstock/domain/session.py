"""Sessions: one principal's authorised, recorded use of one connection."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from penstock.domain.connection import ConnectionType


class SessionStatus(StrEnum):
    """Where a session stands. All but the first and the last are the engine's words."""

    OPEN = "open"
    CLOSED = "closed"
    KILLED = "killed"
    EXPIRED = "expired"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


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
    """One use of one connection. ``head`` is the recording's last hash, in hex."""

    id: str
    connection: str
    type: ConnectionType
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
    connection: str | None = None
    principal: str | None = None
    user_id: str | None = None
    token_id: str | None = None
    agent: str | None = None
    limit: int | None = None
    before: tuple[datetime, str] | None = None
