"""What a decision is made of and what comes of it."""

from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What somebody wants to do with a connection or an app."""

    SEE = "see"
    CONNECT = "connect"
    ENTER = "enter"


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks: a user by e-mail, with its groups."""

    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances: where the request comes from."""

    peer: str


@dataclass(frozen=True, slots=True)
class Allow:
    """Yes, by this rule."""

    rule: str


@dataclass(frozen=True, slots=True)
class Deny:
    """No. ``rule`` and ``reason`` tell the user why; ``hint`` tells what to do."""

    rule: str
    reason: str
    hint: str


Decision = Allow | Deny
