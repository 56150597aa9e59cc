"""`penstock list`."""

from __future__ import annotations

from typing import Any

import click

from penstock.cli.output import output_option, write_json, write_table
from penstock.cli.state import State


@click.command("list")
@output_option()
@click.pass_obj
def list_connections(state: State) -> None:
    """List the connections that you may use.

    \b
    Examples:
      penstock list
      penstock list -o json
    """
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        connections = api.get("connections")
    if state.json:
        write_json(connections)
    else:
        empty = "There is no connection that you may use. Make one: penstock admin create connection"
        write_table(map(row, connections), ("name", "type", "agent", "status"), empty)


def row(connection: dict[str, Any]) -> dict[str, Any]:
    """A connection as a row for people."""
    return {**connection, "status": "online" if connection.get("online") else "offline"}
