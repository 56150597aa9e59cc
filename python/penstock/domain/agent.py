"""Agents: the thin processes in private networks."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that may dial in. ``certificate_names``: a certificate with one of these names is its."""

    id: str
    name: str
    created_at: datetime
    last_seen_at: datetime | None
    certificate_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentPresence:
    """An agent with at least one link up."""

    links: int
    streams: int
    since: datetime
