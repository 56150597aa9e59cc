"""`penstock status`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from penstock.cli import config as configs
from penstock.cli import credential
from penstock.cli.errors import Refusal
from penstock.cli.output import output_option, write_fields, write_json
from penstock.cli.state import State
from penstock.cli.text import when
from penstock.cli.types import Json

if TYPE_CHECKING:
    from penstock.cli.api import Api


@click.command()
@output_option()
@click.pass_obj
def status(state: State) -> None:
    """Show the gateway and who you are there.

    The exit code is 1 if the gateway cannot be reached or you are not logged in.

    \b
    Examples:
      penstock status
      penstock status -o json
    """
    from penstock.cli.client import client

    config = configs.load(state.home)
    token = credential.load(state.home, config)
    with client(state, config, token) as api:
        facts = _gateway(api, config)
        refusal = _principal(api, facts, config) if token else _logged_out()
    if state.json:
        write_json(facts)
    else:
        write_fields(_for_people(facts))
    if refusal:
        raise refusal


def _gateway(api: Api, config: configs.Config) -> dict[str, Json]:
    info = api.get("serverinfo")
    facts = {"gateway": config.api_url, "version": info.get("version"), "grpc_url": info.get("grpc_url")}
    return {**facts, "ca_pin": config.ca_pin or None, "user": None}


def _principal(api: Api, facts: dict[str, Json], config: configs.Config) -> Refusal | None:
    try:
        user = api.get("userinfo")
        connections = api.get("connections")
        agents = api.get("agents") if user.get("admin") else None
    except Refusal as error:
        if error.code != "unauthenticated":
            raise
        return error
    facts |= {
        "user": user,
        "token_expires_at": user.get("expires_at") or config.token_expires_at or None,
    }
    facts["connections"] = _count(connections, lambda item: bool(item.get("online")))
    if agents is not None:
        facts["agents"] = _count(agents, lambda item: item.get("status") == "online")
    return None


def _count(items: list[dict[str, Json]], online: Callable[[Json], bool]) -> dict[str, int]:
    return {"total": len(items), "online": sum(map(online, items))}


def _logged_out() -> Refusal:
    return Refusal("You are not logged in.", hint="Run: penstock login", code="unauthenticated")


def _for_people(facts: dict[str, Json]) -> dict[str, Json]:
    shown = dict(facts)
    if user := facts["user"]:
        shown["user"] = user["email"] + (" (administrator)" if user.get("admin") else "")
        shown["token_expires_at"] = when(facts["token_expires_at"])
    for name in ("connections", "agents"):
        if count := facts.get(name):
            shown[name] = f"{count['online']} of {count['total']} online"
    return shown
