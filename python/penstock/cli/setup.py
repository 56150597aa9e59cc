"""`penstock setup`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.gateway import Gateway, Identity, gateway_options
from penstock.cli.output import output_option
from penstock.cli.state import State

if TYPE_CHECKING:
    from penstock.cli.api import Api


@click.command()
@click.option("--token", required=True, help="The one-time token that the gateway's first start printed.")
@gateway_options
@output_option()
@click.pass_obj
def setup(state: State, token: str, gateway: Gateway, identity: Identity) -> None:
    """Make the first administrator of a new gateway, and log in as that administrator.

    \b
    Examples:
      penstock setup --token TOKEN --email me@example.com
      penstock setup --token TOKEN --email me@example.com --password-stdin < password.txt
    """
    from penstock.cli.signin import sign_in, tell

    def obtain(api: Api, _info: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = api.post("setup", body={"token": token, **identity.ask(confirm=True)})
        return answer

    tell(state, sign_in(state, gateway, obtain))
