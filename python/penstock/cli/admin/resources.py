"""The resources that administrators manage: their paths in the API and their columns in a table."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.cli.text import when


class Resource(NamedTuple):
    """One kind of resource."""

    name: str
    path: str
    columns: tuple[str, ...]


RESOURCES = (
    Resource("agent", "agents", ("name", "status", "links", "last_seen_at", "created_at")),
    Resource("connection", "connections", ("name", "type", "agent", "groups", "status", "created_at")),
    Resource("user", "users", ("email", "groups", "admin", "created_at")),
    Resource("group", "groups", ("name", "users")),
)


def row(item: dict[str, Any]) -> dict[str, Any]:
    """A resource as a person reads it: local times, and `online` as a status."""
    shown = {key: when(value) if key.endswith("_at") else value for key, value in item.items()}
    if "online" in shown:
        shown["status"] = "online" if shown.pop("online") else "offline"
    return shown
