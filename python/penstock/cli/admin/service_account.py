"""`penstock admin create|update service-account`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from penstock.cli.admin.resources import row
from penstock.cli.errors import note
from penstock.cli.output import output_option, write_fields, write_json
from penstock.cli.state import State
from penstock.cli.text import clean


@click.command(name="service-account")
@click.argument("name")
@click.option("--group", "groups", multiple=True, help="A group that it belongs to.")
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When its key stops working, in this machine's time zone.  [default: never]",
)
@output_option()
@click.pass_obj
def create_service_account(
    state: State, name: str, groups: tuple[str, ...], expires: datetime | None
) -> None:
    """Create a service account and print its key, which is shown this one time only.

    A program proves by the key who it is: wherever a user's token is taken, and to the forward proxy.

    \b
    Examples:
      penstock admin create service-account ci --group build
      penstock admin create service-account ci --expires 2030-01-01 -o json | jq -r .key
    """
    from penstock.cli.client import signed_in

    until = None if expires is None else expires.astimezone().isoformat()
    with signed_in(state) as api:
        created = api.post(
            "service-accounts", body={"name": name, "groups": list(groups), "expires_at": until}
        )
    _show_key(state, created, "is created")


@click.command(name="service-account")
@click.argument("name")
@click.option("--disable/--enable", "disabled", default=None, help="Whether its key proves anything.")
@click.option("--new-key", is_flag=True, help="Make a new key; the old one stops working at once.")
@output_option()
@click.pass_obj
def update_service_account(state: State, name: str, disabled: bool | None, new_key: bool) -> None:
    """Disable or enable a service account, or give it a new key. What lived by its key ends.

    \b
    Examples:
      penstock admin update service-account ci --disable
      penstock admin update service-account ci --new-key
    """
    from penstock.cli.client import signed_in

    if new_key == (disabled is not None):
        raise click.UsageError("Say one of --disable, --enable and --new-key.")
    with signed_in(state) as api:
        if new_key:
            _show_key(state, api.post("service-accounts", name, "key"), "has a new key")
            return
        changed = api.patch("service-accounts", name, body={"disabled": disabled})
    if state.json:
        write_json(changed)
    else:
        write_fields(row(changed))


def _show_key(state: State, account: dict[str, Any], what: str) -> None:
    if state.json:
        write_json(account)
        return
    click.echo(f"Service account {clean(account['name'])} {what}:\n")
    click.echo(f"  {clean(account['key'])}\n")
    note("notice", "the key is shown this one time; whoever has it is this service account.")
