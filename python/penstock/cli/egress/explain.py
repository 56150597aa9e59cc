"""`penstock egress explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli.egress.options import config_option, configured
from penstock.cli.errors import FAILED
from penstock.cli.output import output_option, write_fields, write_json, write_table
from penstock.cli.state import State


@click.command()
@config_option
@click.option("--as", "caller", metavar="NAME", default="anonymous", show_default=True, help="Who asks.")
@click.option("--group", "groups", multiple=True, help="Its groups.  [default: as the configuration says]")
@click.option("--method", metavar="METHOD", help="How.  [default: CONNECT for https://, else GET]")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header, for routes.")
@click.option("--address", "addresses", multiple=True, metavar="IP", help="What the name resolves to.")
@click.argument("url")
@output_option()
@click.pass_context
def explain(ctx: click.Context, /, path: Path | None, url: str, **asked: Any) -> None:  # noqa: ANN401 - as asked
    """Say which route and which rule decide about a request, and why those before it do not.

    URL may be HOST:PORT, which is asked for by CONNECT. Nothing is resolved and nothing is sent: rules about
    addresses are decided with --address. Exit code 1 means that it would be denied.

    \b
    Examples:
      penstock egress explain --config egress.toml --as ci https://pypi.org/simple/
      penstock egress explain --config egress.toml --as ci --method POST http://mirror.example.com/
      penstock egress explain --config egress.toml --as ci --address 10.0.0.5 http://intranet.example.com/
    """
    _, proxy = configured(path)
    explained = proxy.explain(_question(url, **asked))
    if ctx.ensure_object(State).json:
        write_json(explained)
    else:
        _show(dict(explained))
    if explained["verdict"] == "deny":
        ctx.exit(FAILED)


def _question(
    url: str,
    caller: str,
    groups: tuple[str, ...],
    method: str | None,
    headers: tuple[str, ...],
    addresses: tuple[str, ...],
) -> dict[str, Any]:
    tunnel = "://" not in url or url.lower().startswith("https://")
    given = {"groups": list(groups), "addresses": list(addresses)}
    return {
        "as": caller,
        "url": url,
        "method": (method or ("CONNECT" if tunnel else "GET")).upper(),
        "headers": dict(map(_header, headers)),
        **{name: value for name, value in given.items() if value},
    }


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--header wants NAME=VALUE, not {text!r}.")
    return name, value


def _show(explained: dict[str, Any]) -> None:
    tables = {name: explained.pop(name) for name in ("addresses", "steps")}
    write_fields({name: value for name, value in explained.items() if value is not None})
    if tables["addresses"]:
        click.echo()
        write_table(tables["addresses"], ("address", "verdict", "reason"), "")
    if tables["steps"]:
        click.echo()
        write_table(tables["steps"], ("rule", "action", "outcome"), "")
