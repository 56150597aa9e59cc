"""`penstock login`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from penstock.cli.errors import Refusal
from penstock.cli.gateway import Gateway, Identity, gateway_options
from penstock.cli.output import output_option
from penstock.cli.state import State

if TYPE_CHECKING:
    from penstock.cli.api import Api


@click.command()
@gateway_options
@output_option()
@click.pass_obj
def login(state: State, gateway: Gateway, identity: Identity) -> None:
    """Log in to a gateway.

    The gateway's certificate is checked before the password leaves this machine. A CA of the gateway's own is
    shown with its fingerprint and kept once you agree; scripts name the fingerprint with --ca-pin.

    \b
    Examples:
      penstock login --api-url https://gateway.example.com:8009
      penstock login --api-url https://127.0.0.1:8009 --email me@example.com --password-stdin < password.txt
    """
    from penstock.cli.signin import sign_in, tell

    def obtain(api: Api, info: dict[str, Any]) -> dict[str, Any]:
        if info.get("setup_required"):
            raise Refusal(
                "The gateway has no administrator yet.",
                hint="Its first start printed a line `penstock setup --token …`: run that.",
                code="setup-required",
                side="gateway",
            )
        answer: dict[str, Any] = api.post("login", body=identity.ask())
        return answer

    tell(state, sign_in(state, gateway, obtain))
