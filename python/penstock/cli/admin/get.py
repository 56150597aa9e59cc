"""`penstock admin get`."""

from __future__ import annotations

import click

from penstock.cli.admin.resources import RESOURCES, Nouns, Resource, row
from penstock.cli.output import output_option, write_fields, write_json, write_table
from penstock.cli.state import State


@click.group(cls=Nouns)
def get() -> None:
    """List agents, connections, apps, users, groups or service accounts, or show one."""


def _command(resource: Resource) -> click.Command:
    @click.command(resource.name, help=_help(resource))
    @click.argument("name", required=False)
    @output_option()
    @click.pass_obj
    def command(state: State, name: str | None) -> None:
        from penstock.cli.client import signed_in

        with signed_in(state) as api:
            answer = api.get(resource.path, name) if name else api.get(resource.path)
        if state.json:
            write_json(answer)
        elif name:
            write_fields(row(answer))
        else:
            write_table(map(row, answer), resource.columns, f"There is no {resource.name} yet.")

    return command


def _help(resource: Resource) -> str:
    command = f"penstock admin get {resource.name}"
    return (
        f"List all {resource.path}, or show the one that is named.\n\n"
        f"\b\nExamples:\n  {command}\n  {command} NAME -o json"
    )


for _resource in RESOURCES:
    get.add_command(_command(_resource))
