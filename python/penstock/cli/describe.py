"""`penstock describe`."""

from __future__ import annotations

import click

from penstock.cli.output import output_option, write_fields, write_json
from penstock.cli.state import State
from penstock.cli.text import clean, when


@click.command()
@click.argument("name")
@output_option()
@click.pass_obj
def describe(state: State, name: str) -> None:
    """Show one connection and how to use it. Its secrets are never shown.

    \b
    Example:
      penstock describe prod-db
    """
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        connection = api.get("connections", name)
    if state.json:
        write_json(connection)
        return
    names = ("name", "type", "agent", "online", "groups", "env", "created_at")
    write_fields(
        {
            **{field: connection.get(field) for field in names},
            "created_at": when(connection.get("created_at")),
        }
    )
    click.echo(f"\nUse it:  penstock connect {clean(connection['name'])}")
    if connection["type"] == "postgres":
        click.echo(f"         penstock exec {clean(connection['name'])} -i 'SELECT 1'")
