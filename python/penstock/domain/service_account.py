"""Service accounts: programs that prove who they are by a key."""

from dataclasses import dataclass
from datetime import datetime, timedelta

KEY_LIFETIME = timedelta(days=36_525)
"""Of a key whose account names no end: every token has one."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A program that is known by name. Its one key is a token that no login made, and is found as users' are.

    To everything that decides, it is a user whose name is no e-mail address. While ``disabled``, and after
    ``expires_at``, its key proves nothing.
    """

    id: str
    name: str
    groups: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    disabled: bool = False
