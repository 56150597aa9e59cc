"""`penstock egress check`."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.egress.options import config_option, configured
from penstock.cli.output import output_option, write_fields, write_json
from penstock.cli.state import State


@click.command()
@config_option
@output_option()
@click.pass_obj
def check(state: State, path: Path | None) -> None:
    """Read a configuration as `penstock start egress` does, and say what is wrong with it, or what it holds.

    \b
    Example:
      penstock egress check --config egress.toml
    """
    shape, _ = configured(path)
    profiles = shape["profiles"]
    held = {
        "listeners": [port["address"] for port in shape["listeners"]],
        "anonymous": shape["callers"]["anonymous"],
        "callers": len(shape["callers"]["list"]),
        "profiles": len(profiles),
        "rules": sum(len(profile["rules"]) for profile in profiles),
        "routes": len(shape["routes"]),
    }
    if state.json:
        write_json({"config": None if path is None else str(path), **held})
    else:
        write_fields(held)
