"""`penstock start proxy`: takes workers' links and serves their applications to the public."""

from __future__ import annotations

import click

from penstock.cli.errors import told_by_domain
from penstock.cli.output import output_option
from penstock.cli.roles import run_role

_PROXY_SETTINGS = {
    "tunnel_listen": "TUNNEL_LISTEN",
    "certificate": "TLS_CERT",
    "key": "TLS_KEY",
    "workers_ca": "PROXY_WORKERS_CA",
    "allow": "PROXY_ALLOW",
    "public_listen": "PUBLIC_LISTEN",
    "public_certificate": "PUBLIC_TLS_CERT",
    "public_key": "PUBLIC_TLS_KEY",
    "public_behind_tls": "PUBLIC_BEHIND_TLS",
    "route": "PROXY_ROUTES",
    "selector": "PROXY_SELECTOR",
    "max_concurrent_streams": "PROXY_MAX_CONCURRENT_STREAMS",
    "retries": "PROXY_RETRIES",
    "wait_seconds": "PROXY_WAIT_SECONDS",
    "head_seconds": "PROXY_HEAD_SECONDS",
    "access_log": "PROXY_ACCESS_LOG",
    "admin_listen": "ADMIN_LISTEN",
}

# Absolute: a setting that begins otherwise is PEM itself.
_PEM_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)


@click.command()
@click.option(
    "--tunnel-listen", metavar="HOST:PORT", help="Where workers dial; 0.0.0.0:8443. [env: TUNNEL_LISTEN]"
)
@click.option("--certificate", "--cert", type=_PEM_FILE, help="What workers are shown. [env: TLS_CERT]")
@click.option("--key", type=_PEM_FILE, help="Its private key. [env: TLS_KEY]")
@click.option("--workers-ca", type=_PEM_FILE, help="Who signs workers' certificates. [env: PROXY_WORKERS_CA]")
@click.option(
    "--allow",
    multiple=True,
    metavar="NAME[=GROUP]",
    help="Workers that may dial in; * is any characters. Without: all of the CA. [env: PROXY_ALLOW]",
)
@click.option(
    "--public-listen", metavar="HOST:PORT", help="Where the public asks; 0.0.0.0:8080. [env: PUBLIC_LISTEN]"
)
@click.option(
    "--public-certificate",
    type=_PEM_FILE,
    help="What the public is shown. Without: plain HTTP. [env: PUBLIC_TLS_CERT]",
)
@click.option("--public-key", type=_PEM_FILE, help="Its private key. [env: PUBLIC_TLS_KEY]")
@click.option(
    "--public-behind-tls",
    is_flag=True,
    default=None,
    help="Something before the public port ends TLS. [env: PUBLIC_BEHIND_TLS]",
)
@click.option(
    "--route",
    multiple=True,
    metavar="HOST[/PATH][=GROUP]",
    help="What a group serves. Without: everything is for the group default. [env: PROXY_ROUTES]",
)
@click.option(
    "--selector",
    metavar="SELECTOR",
    help="least-in-flight, round-robin, power-of-two, cookie:NAME or header:NAME. [env: PROXY_SELECTOR]",
)
@click.option(
    "--max-concurrent-streams",
    type=int,
    metavar="N",
    help="Requests on one link; 1000 unless set. [env: PROXY_MAX_CONCURRENT_STREAMS]",
)
@click.option(
    "--retries",
    type=int,
    metavar="N",
    help="Further attempts at what is safe to repeat; 2 unless set. [env: PROXY_RETRIES]",
)
@click.option(
    "--wait-seconds",
    type=float,
    metavar="SECONDS",
    help="How long a request waits for a worker; 2 unless set. [env: PROXY_WAIT_SECONDS]",
)
@click.option(
    "--head-seconds",
    type=int,
    metavar="SECONDS",
    help="How long until an answer begins; 60 unless set. [env: PROXY_HEAD_SECONDS]",
)
@click.option("--access-log", is_flag=True, default=None, help="Log every request. [env: PROXY_ACCESS_LOG]")
@click.option("--admin-listen", metavar="HOST:PORT", help="A port for metrics. [env: ADMIN_LISTEN]")
@output_option()
def proxy(**options: str | float | bool | tuple[str, ...] | None) -> None:
    """Start a proxy: workers dial in, and what they serve is offered to the public.

    Workers prove who they are with certificates. Told to stop (Ctrl-C or SIGTERM), it takes no more requests,
    finishes those that it has, and lets the workers go.

    \b
    Examples:
      penstock start proxy --certificate p.pem --key p.key --workers-ca workers-ca.pem
      penstock start proxy --certificate p.pem --key p.key --workers-ca workers-ca.pem \\
          --allow 'shop-*=shop' --allow 'cart-*=cart' \\
          --route shop.example.com=shop --route shop.example.com/cart=cart --selector cookie:seat
    """
    from penstock.domain.errors import PenstockError
    from penstock.settings import load

    given = {
        _PROXY_SETTINGS[name]: ",".join(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None and value != ()
    }
    try:
        settings = load(given)
    except PenstockError as error:
        raise told_by_domain(error) from None
    run_role("proxy", settings)
