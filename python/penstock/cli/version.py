"""`penstock version`."""

from __future__ import annotations

import platform

import click

from penstock import __version__
from penstock.cli.output import output_option, write_json
from penstock.cli.state import State


@click.command()
@output_option()
@click.pass_obj
def version(state: State) -> None:
    """Show the version.

    \b
    Example:
      penstock version -o json
    """
    if state.json:
        write_json(
            {"version": __version__, "python": platform.python_version(), "platform": platform.platform()}
        )
    else:
        click.echo(f"penstock {__version__}")
