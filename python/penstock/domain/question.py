"""What the engine asks at a boundary, and what may be answered (``crates/domain/src/decider.rs``)."""

from dataclasses import dataclass, field
from enum import Enum

from penstock.domain.app import Visitor
from penstock.domain.errors import PenstockError
from penstock.domain.plan import Plan
from penstock.domain.principal import Credential, Principal
from penstock.domain.session import Client, Session, SessionEnd


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Who is this? Answered with a principal."""

    credential: Credential
    peer: str


@dataclass(frozen=True, slots=True)
class Decide:
    """May this principal use this connection, and how? Answered with a plan."""

    principal: Principal
    connection: str
    peer: str


@dataclass(frozen=True, slots=True)
class Begin:
    """The session begins: write it down before anything is opened. Answered with ``NOTED``."""

    session: str
    connection: str
    principal: Principal
    client: Client
    peer: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over. Answered with ``NOTED``."""

    session: str
    end: SessionEnd


@dataclass(frozen=True, slots=True)
class Enter:
    """May the bearer of this token enter this app? Answered with a visitor."""

    app: str
    token: str = field(repr=False)
    peer: str


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls the forward proxy? Answered with a visitor. The token must prove a ``name`` that is said."""

    name: str | None
    token: str = field(repr=False)
    peer: str


@dataclass(frozen=True, slots=True)
class Passages:
    """These sessions of type ``egress`` are open or over. Answered with ``NOTED`` or ``Revoked``."""

    sessions: tuple[Session, ...]


Question = Authenticate | Decide | Begin | Ended | Enter | Call | Passages


class Answer(Enum):
    """Answers that say nothing but themselves."""

    NOTED = "noted"


NOTED = Answer.NOTED


@dataclass(frozen=True, slots=True)
class Revoked:
    """All is noted but these open sessions, which must end: what proved their callers proves nothing now."""

    sessions: tuple[str, ...]


Verdict = Principal | Plan | Visitor | Answer | Revoked | PenstockError
"""An error is a denial."""
