"""`penstock start`: the long-running roles. The composition root runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import click

from penstock.cli.errors import Refusal
from penstock.cli.lazy import Lazy
from penstock.cli.output import output_option

# Named, not imported: the composition root stands above the command line.
_ROLES = {
    "gateway": Lazy("penstock.app:run_gateway", "the gateway"),
    "agent": Lazy("penstock.app:run_agent", "the agent"),
    "standalone": Lazy("penstock.app:run_standalone", "both"),
}


@click.group()
def start() -> None:
    """Start a gateway, an agent, or both."""


@start.command()
@output_option()
def gateway() -> None:
    """Start the gateway, and stay until it is told to stop (Ctrl-C or SIGTERM).

    The first start prints the line that makes the first administrator, unless PENSTOCK_ADMIN_EMAIL and
    PENSTOCK_ADMIN_PASSWORD name one.

    \b
    Examples:
      penstock start gateway
      HTTP_LISTEN=127.0.0.1:8109 GRPC_LISTEN=127.0.0.1:8110 penstock start gateway
    """
    _run("gateway")


@start.command()
@output_option()
def agent() -> None:
    """Start an agent: it dials out to its gateway and opens no port.

    \b
    Example:
      PENSTOCK_KEY=grpcs://NAME:SECRET@gateway.example.com:8010 penstock start agent
    """
    _run("agent")


@start.command()
@output_option()
def standalone() -> None:
    """Start gateway and agent in one process, listening on this machine only.

    \b
    Example:
      penstock start standalone
    """
    _run("standalone")


def _run(role: str) -> None:
    code = cast("Callable[[], int | None]", _ROLES[role].load())()
    if code:
        raise Refusal(f"The {role} ended with an error.", hint="Its log above says why.")
