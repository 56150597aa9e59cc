"""Connections: the named private resources that users ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ConnectionType(StrEnum):
    """What is spoken at the target."""

    POSTGRES = "postgres"
    TCP = "tcp"


SECRET_WORDS = ("PASS", "SECRET", "TOKEN", "KEY")
"""An ``env`` key that holds one of these is never returned."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A named private resource. ``env`` holds its target and login and is never logged."""

    id: str
    name: str
    type: ConnectionType
    agent: str | None
    groups: frozenset[str]
    created_at: datetime
    env: Mapping[str, str] = field(repr=False)

    def public_env(self) -> dict[str, str]:
        """``env`` with its secrets as ``***``."""
        return {key: "***" if is_secret(key) else value for key, value in self.env.items()}


def is_secret(key: str) -> bool:
    """Whether the value of this ``env`` key is a secret."""
    return any(word in key.upper() for word in SECRET_WORDS)
