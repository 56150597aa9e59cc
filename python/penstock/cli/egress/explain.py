"""`penstock egress explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli.egress.options import config_option, configured
from penstock.cli.output import output_option, write_fields, write_json, write_table
from penstock.cli.state import State


@click.command()
@config_option
@click.option(
    "--as",
    "caller",
    metavar="NAME",
    default="anonymous",
    show_default=True,
    help="Who asks.",
)
@click.option("--method", metavar="METHOD", help="How.  [default: CONNECT for https://, else GET]")
@click.argument("url")
@output_option()
@click.pass_obj
def explain(state: State, path: Path | None, caller: str, method: str | None, url: str) -> None:
    """Say which route and which rule decide about a request, and why those before it do not.

    URL may be HOST:PORT, which is asked for by CONNECT. Nothing is resolved and nothing is sent. Exit code 1
    means that it would be denied.

    \b
    Examples:
      penstock egress explain --config egress.toml --as ci https://pypi.org/simple/
      penstock egress explain --config egress.toml --as ci --method POST http://mirror.example.com/
    """
    _, proxy = configured(path)
    tunnel = "://" not in url or url.startswith("https://")
    explained = proxy.explain(caller, (method or ("CONNECT" if tunnel else "GET")).upper(), url)
    if state.json:
        write_json(explained)
    else:
        _show(explained)


def _show(explained: dict[str, Any]) -> None:
    steps = explained.pop("steps", [])
    write_fields(explained)
    if steps:
        click.echo()
        write_table(steps, ("rule", "action", "outcome"), "")
