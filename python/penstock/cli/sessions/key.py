"""`penstock sessions key`."""

from __future__ import annotations

import click

from penstock.cli.output import output_option, write_json
from penstock.cli.state import State


@click.command()
@output_option()
@click.pass_obj
def key(state: State) -> None:
    """Print the public key that proves recordings.

    Keep it where nobody who can write on the gateway can: with it, `penstock sessions verify` needs no
    gateway, and believes none.

    \b
    Example:
      penstock sessions key > recordings.pem
    """
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        answer = api.get("recordings", "key")
    if state.json:
        write_json(answer)
    else:
        click.echo(answer["key"], nl=False)
