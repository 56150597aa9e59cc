"""`penstock sessions get`."""

from __future__ import annotations

import click

from penstock.cli.output import output_option, write_fields, write_json
from penstock.cli.sessions.show import fields
from penstock.cli.state import State


@click.command()
@click.argument("session_id", metavar="ID")
@output_option()
@click.pass_obj
def get(state: State, session_id: str) -> None:
    """Show one session.

    \b
    Example:
      penstock sessions get ID -o json
    """
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        session = api.get("sessions", session_id)
    if state.json:
        write_json(session)
    else:
        write_fields(fields(session))
