"""What `login` and `setup` share: trust the gateway, obtain a token, and keep both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from penstock.cli import config as configs
from penstock.cli import credential
from penstock.cli.address import base_url
from penstock.cli.api import Api
from penstock.cli.config import Config
from penstock.cli.gateway import Gateway
from penstock.cli.output import write_json
from penstock.cli.state import State
from penstock.cli.text import clean, when
from penstock.cli.trust import Trust

Obtain = Callable[[Api, dict[str, Any]], dict[str, Any]]
"""Trades what the user has for a token, at a gateway that said this of itself."""


def sign_in(state: State, gateway: Gateway, obtain: Obtain) -> Config:
    """Trusts the gateway, obtains a token, and stores both in the home folder."""
    known = configs.load(state.home)
    url = base_url(gateway.api_url or known.api_url)
    api, pin, file = Trust(state.home, known, state.transport).establish(
        url, gateway.ca_pin, gateway.insecure
    )
    with api:
        info = api.get("serverinfo")
        granted = obtain(api, info)
    where = credential.store(state.home, granted["token"], keyring=gateway.keyring)
    config = Config(
        api_url=url,
        grpc_url=info["grpc_url"],
        ca_pin=pin,
        ca_file=file,
        email=granted["user"]["email"],
        grpc_ca_pin=str(info.get("ca_pin") or ""),
        insecure="yes" if gateway.insecure else "",
        token_store=where,
        token_expires_at=str(granted.get("expires_at") or ""),
    )
    configs.save(state.home, config)
    return config


def tell(state: State, config: Config) -> None:
    """Says where one is logged in."""
    if state.json:
        fields = {"api_url": config.api_url, "grpc_url": config.grpc_url, "email": config.email}
        write_json({**fields, "ca_pin": config.ca_pin or None, "expires_at": config.token_expires_at or None})
        return
    until = f", until {when(config.token_expires_at)}" if config.token_expires_at else ""
    click.echo(f"Logged in to {config.api_url} as {clean(config.email)}{until}.")
