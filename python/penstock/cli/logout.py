"""`penstock logout`."""

from __future__ import annotations

from dataclasses import replace

import click

from penstock.cli import config as configs
from penstock.cli import credential
from penstock.cli.errors import Refusal, note
from penstock.cli.output import output_option, write_json
from penstock.cli.state import State


@click.command()
@output_option()
@click.pass_obj
def logout(state: State) -> None:
    """Log out and revoke the token.

    Sessions that were opened with the token end. The gateway's address and CA stay known.

    \b
    Example:
      penstock logout
    """
    config = configs.load(state.home)
    token = credential.load(state.home, config)
    revoked = _revoke(state, config, token) if token else False
    credential.forget(state.home, config)
    configs.save(state.home, replace(config, token_store="", token_expires_at=""))
    if state.json:
        write_json({"logged_out": bool(token), "revoked": revoked})
    else:
        click.echo(f"Logged out of {config.api_url}." if token else "You were not logged in.")


def _revoke(state: State, config: configs.Config, token: str) -> bool:
    from penstock.cli.client import client

    try:
        with client(state, config, token) as api:
            api.post("logout")
    except Refusal as error:
        if error.code != "unauthenticated":
            note("warning", f"the token was deleted here but not revoked at the gateway: {error.message}")
        return False
    return True
