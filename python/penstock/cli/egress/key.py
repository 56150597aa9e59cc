"""`penstock egress key`."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import click

from penstock.cli.output import output_option, write_json
from penstock.cli.state import State

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@click.command()
@click.argument("name")
@output_option()
@click.pass_obj
def key(state: State, name: str) -> None:
    """Make a key for the caller NAME, and its hash for the configuration. The key is shown this once.

    \b
    Example:
      penstock egress key ci
    """
    from penstock.egress import values
    from penstock.egress.keys import new_key

    try:
        values.name(name)
    except ValueError as error:
        raise click.UsageError(f"NAME {error}") from None
    secret, digest = new_key()
    if state.json:
        write_json({"name": name, "key": secret, "hash": digest})
        return
    quoted = name if _BARE.fullmatch(name) else json.dumps(name)
    click.echo(f"Key, shown this once:    {secret}")
    click.echo(f"For the configuration:   [caller.{quoted}]")
    click.echo(f'                         keys = ["{digest}"]')
    click.echo(f"For the caller:          HTTPS_PROXY=http://{quote(name, safe='')}:{secret}@HOST:3128")
