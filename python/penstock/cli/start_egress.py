"""`penstock start egress`."""

from __future__ import annotations

import click

from penstock.cli.egress.options import config_option
from penstock.cli.errors import told_by_domain
from penstock.cli.output import output_option
from penstock.cli.roles import run_role


@click.command()
@config_option
@output_option()
def egress(path: object) -> None:
    """Start the forward proxy: it knows who asks, decides, resolves safely, and writes down what left.

    Without a configuration it listens on 127.0.0.1:3128, for this machine alone, and lets through what leads
    to public addresses: plain HTTP to any port, tunnels to port 443. The access log goes to standard output.
    The configuration is read again when it changes, and by the signal HUP; a bad one is refused whole while
    the old one stays.

    \b
    Examples:
      penstock start egress
      penstock start egress --config egress.toml
      HTTPS_PROXY=http://127.0.0.1:3128 curl https://example.com/
    """
    from penstock.domain.errors import PenstockError
    from penstock.settings import load

    try:
        settings = load({} if path is None else {"EGRESS_CONFIG": str(path)})
    except PenstockError as error:
        raise told_by_domain(error) from None
    run_role("egress", settings)
