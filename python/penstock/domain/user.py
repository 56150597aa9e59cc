"""People, their groups, and the tokens that prove them."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class User:
    """A person with a local login."""

    id: str
    email: str
    groups: frozenset[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """A name that users and connections share. ``users`` counts its members."""

    name: str
    users: int


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; the token itself is known to its bearer alone."""

    id: str
    user_id: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """A user proven by a token that is neither revoked nor expired."""

    user: User
    token: Token
    admin: bool
