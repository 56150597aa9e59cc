"""`penstock admin delete`."""

from __future__ import annotations

import click

from penstock.cli.admin.resources import RESOURCES, Nouns, Resource
from penstock.cli.output import output_option, write_json
from penstock.cli.state import State
from penstock.cli.text import clean

_CONSEQUENCE = {
    "agent": "Its key stops working and its links are dropped.",
    "connection": "Recordings of its sessions are kept.",
    "app": "Its routes lead nowhere from here on, and its workers' links are dropped.",
    "user": "The user's tokens are revoked and live sessions end. Recordings are kept.",
    "group": "Its users lose what only the group allowed them.",
    "service-account": "Its key stops working and its live sessions end. Recordings are kept.",
}


@click.group(cls=Nouns)
def delete() -> None:
    """Delete an agent, connection, app, user, group or service account."""


def _command(resource: Resource) -> click.Command:
    @click.command(resource.name, help=_help(resource))
    @click.argument("name")
    @output_option()
    @click.pass_obj
    def command(state: State, name: str) -> None:
        from penstock.cli.client import signed_in

        with signed_in(state) as api:
            api.delete(resource.path, name)
        if state.json:
            write_json({"deleted": name, "kind": resource.name})
        else:
            click.echo(f"Deleted {resource.name} {clean(name)}.")

    return command


def _help(resource: Resource) -> str:
    return (
        f"Delete the {resource.name}. {_CONSEQUENCE[resource.name]}\n\n"
        f"\b\nExample:\n  penstock admin delete {resource.name} NAME"
    )


for _resource in RESOURCES:
    delete.add_command(_command(_resource))
