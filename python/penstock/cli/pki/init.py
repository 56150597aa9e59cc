"""`penstock pki init`."""

from __future__ import annotations

import click

from penstock.cli.output import output_option, write_json
from penstock.cli.pki.authority import authority, shape
from penstock.cli.state import State
from penstock.cli.text import clean, when


@click.command()
@output_option()
@click.pass_obj
def init(state: State) -> None:
    """Make the authority of the tunnel port's peers.

    It lies in PENSTOCK_HOME/pki; a gateway that starts with it opens the tunnel port. Run again, it changes
    nothing.

    \b
    Example:
      penstock pki init
    """
    file = authority(state).init()
    until = file.expires_at.isoformat()
    if state.json:
        write_json({"created": file.made, **shape(file), "expires_at": until})
        return
    path = clean(str(file.path))
    if file.made:
        click.echo(f"The authority is made: {path}, valid until {when(until)}.")
        click.echo("Restart the gateway to open its tunnel port, then: penstock pki issue NAME")
    else:
        click.echo(f"There is an authority already: {path}, valid until {when(until)}. Nothing was changed.")
    click.echo(f"Its pin: {file.pin}")
