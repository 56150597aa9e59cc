"""`penstock admin`: agents, connections, apps, users and groups, as administrators manage them."""

from __future__ import annotations

import click

from penstock.cli.lazy import Lazy, LazyGroup

_TABLE = {
    "create": Lazy("penstock.cli.admin.create:create", "Create an agent, connection, app, user, ..."),
    "get": Lazy("penstock.cli.admin.get:get", "List agents, connections, apps, users, ..., or show one."),
    "update": Lazy("penstock.cli.admin.update:update", "Change a service account."),
    "delete": Lazy("penstock.cli.admin.delete:delete", "Delete an agent, connection, app, user, ..."),
}


@click.group(cls=LazyGroup, table=_TABLE)
def admin() -> None:
    """Manage agents, connections, apps, users, groups and service accounts.

    \b
    A first connection:
      penstock admin create agent office
      penstock admin create connection prod-db --type postgres --agent office \\
          -e HOST=10.0.0.5 -e PORT=5432 -e USER=app -e PASS -e DB=shop -e SSLMODE=require
    """
