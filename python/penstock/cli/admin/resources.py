"""The resources that administrators manage: their paths in the API and their columns in a table."""

from __future__ import annotations

from typing import Any, NamedTuple

import click

from penstock.cli.text import when


class Nouns(click.Group):
    """A group whose commands are kinds of resources; their plurals mean the same."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or of the plural of that name."""
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, cmd_name.removesuffix("s"))


class Resource(NamedTuple):
    """One kind of resource."""

    name: str
    path: str
    columns: tuple[str, ...]


RESOURCES = (
    Resource("agent", "agents", ("name", "status", "links", "last_seen_at", "created_at")),
    Resource("connection", "connections", ("name", "type", "agent", "groups", "status", "created_at")),
    Resource("app", "apps", ("name", "routes", "workers", "identify", "access", "status", "created_at")),
    Resource("user", "users", ("email", "groups", "admin", "created_at")),
    Resource("group", "groups", ("name", "users")),
    Resource("service-account", "service-accounts", ("name", "groups", "status", "expires_at", "created_at")),
)


def row(item: dict[str, Any]) -> dict[str, Any]:
    """A resource as a person reads it: local times, and `online` as a status."""
    shown = {key: when(value) if key.endswith("_at") else value for key, value in item.items()}
    if "online" in shown:
        shown["status"] = "online" if shown.pop("online") else "offline"
    return shown
