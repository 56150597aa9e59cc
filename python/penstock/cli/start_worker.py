"""`penstock start worker`: serves an application or an upstream over links that it dials."""

from __future__ import annotations

import click

from penstock.cli.errors import told_by_domain
from penstock.cli.output import output_option
from penstock.cli.roles import run_role

_WORKER_SETTINGS = {
    "serves": "WORKER_APP",
    "connect": "WORKER_CONNECT",
    "certificate": "TLS_CERT",
    "key": "TLS_KEY",
    "ca": "TLS_CA",
    "server_name": "TLS_SERVER_NAME",
    "connections": "WORKER_CONNECTIONS",
    "max_concurrent_streams": "WORKER_MAX_CONCURRENT_STREAMS",
    "flavour": "TUNNEL_FLAVOUR",
    "upstream_ca": "WORKER_UPSTREAM_CA",
}

# Absolute: a setting that begins otherwise is PEM itself.
_PEM_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)


@click.command()
@click.argument("serves", metavar="[MODULE:APP | URL]", required=False)
@click.option("--connect", metavar="HOST:PORT", help="The proxy's tunnel port. [env: WORKER_CONNECT]")
@click.option("--certificate", "--cert", type=_PEM_FILE, help="The worker's certificate. [env: TLS_CERT]")
@click.option("--key", type=_PEM_FILE, help="Its private key. [env: TLS_KEY]")
@click.option(
    "--ca",
    type=_PEM_FILE,
    help="Who signed the proxy's certificate, if not a CA that the system knows. [env: TLS_CA]",
)
@click.option(
    "--server-name",
    metavar="NAME",
    help="The name in the proxy's certificate, if it is not HOST. [env: TLS_SERVER_NAME]",
)
@click.option(
    "--connections", type=int, metavar="N", help="Links to hold; 1 unless set. [env: WORKER_CONNECTIONS]"
)
@click.option(
    "--max-concurrent-streams",
    type=int,
    metavar="N",
    help="Requests that may be open on one link; 100 unless set. [env: WORKER_MAX_CONCURRENT_STREAMS]",
)
@click.option(
    "--flavour",
    type=click.Choice(["h2", "rh2"]),
    help="h2 as HAProxy speaks it, or the experimental rh2. [env: TUNNEL_FLAVOUR]",
)
@click.option(
    "--upstream-ca",
    type=_PEM_FILE,
    help="Who signed the certificate of an https:// upstream. [env: WORKER_UPSTREAM_CA]",
)
@output_option()
def worker(**options: str | int | None) -> None:
    """Start a worker: it dials a proxy and serves the requests that come back.

    MODULE:APP is an ASGI application, imported from this folder; a URL is an upstream's: http://, https://,
    h2c:// or unix:/PATH. Either can be set as WORKER_APP. The worker opens no port. Told to stop (Ctrl-C or
    SIGTERM), it takes no more requests and finishes those that it has.

    \b
    Examples:
      penstock start worker main:app --connect edge.example.com:8443 --certificate w.pem --key w.key
      penstock start worker http://127.0.0.1:8000 --connect edge.example.com:8443 --certificate w.pem \\
          --key w.key --ca edge-ca.pem --connections 4
    """
    from penstock.domain.errors import PenstockError
    from penstock.settings import load

    given = {_WORKER_SETTINGS[name]: value for name, value in options.items() if value is not None}
    try:
        settings = load(given)
    except PenstockError as error:
        raise told_by_domain(error) from None
    run_role("worker", settings)
