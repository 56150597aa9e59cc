"""`penstock sessions kill`."""

from __future__ import annotations

import click

from penstock.cli.output import output_option, write_json
from penstock.cli.state import State
from penstock.cli.text import clean


@click.command()
@click.argument("session_id", metavar="ID")
@output_option()
@click.pass_obj
def kill(state: State, session_id: str) -> None:
    """End a live session now. Its running statement is cancelled.

    \b
    Example:
      penstock sessions kill ID
    """
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        answer = api.post("sessions", session_id, "kill")
    if state.json:
        write_json(answer or {"id": session_id, "killed": True})
    else:
        click.echo(f"Session {clean(session_id)} is being ended.")
