"""What is learnt from a session's recording."""

from dataclasses import dataclass
from datetime import datetime


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
    """What a recording says of its session."""

    session: str
    connection: str
    protocol: str
    principal: str
    started_at: datetime
    last_at: datetime
    statements: int
    ended: bool
    head: str
