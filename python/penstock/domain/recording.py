"""What is learnt from a session's recording."""

from dataclasses import dataclass
from datetime import datetime

from penstock.domain.session import SessionStatus


@dataclass(frozen=True, slots=True)
class Head:
    """How far a recording has come: its records, and the hash of the last of them in hex."""

    records: int
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The first bad record of a recording and where it is."""

    record: int
    offset: int
    what: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a recording's chain holds and ends where the store says."""

    ok: bool
    records: int
    ended: bool
    head: str
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a recording says of its session. ``status`` and what follows are known if it ended in order."""

    session: str
    connection: str
    protocol: str
    principal: str
    started_at: datetime
    last_at: datetime
    statements: int
    ended: bool
    head: Head
    status: SessionStatus | None = None
    reason: str | None = None
    client_bytes: int = 0
    upstream_bytes: int = 0
