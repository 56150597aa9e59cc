"""`penstock demo`."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.output import output_option
from penstock.cli.state import State


@click.command()
@click.option("--once", is_flag=True, help="Do everything once and exit, instead of staying until Ctrl-C.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the demo keeps its state.  [default: demo in PENSTOCK_HOME]",
)
@output_option()
@click.pass_obj
def demo(state: State, once: bool, home: Path | None) -> None:
    """Try everything on this machine: PostgreSQL with a small shop, gateway, agent, a recorded query.

    The demo has a home, a login and passwords of its own; your own login is never touched. It listens on this
    machine only, stays until Ctrl-C, and then leaves nothing running. A second run reuses the database.

    \b
    Examples:
      penstock demo
      penstock demo --once
      HTTP_LISTEN=127.0.0.1:8109 GRPC_LISTEN=127.0.0.1:8110 ADMIN_LISTEN=127.0.0.1:19100 penstock demo
    """
    from penstock.demo.ending import Ending
    from penstock.demo.show import Demo

    ending = Ending()
    place = (home or state.home / "demo").expanduser().absolute()
    with ending.watched():
        Demo(place, ending, as_json=state.json).run(once)
