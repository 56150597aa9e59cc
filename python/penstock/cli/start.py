"""`penstock start`: the long-running roles. The composition root runs them."""

from __future__ import annotations

import click

from penstock.cli.debug import debug_options, role_settings
from penstock.cli.output import output_option
from penstock.cli.roles import run_role
from penstock.cli.start_egress import egress
from penstock.cli.start_proxy import proxy
from penstock.cli.start_worker import worker
from penstock.cli.state import State


@click.group()
def start() -> None:
    """Start a gateway, an agent, or both; a worker, or a proxy for workers; a forward proxy."""


@start.command()
@debug_options
@output_option()
@click.pass_obj
def gateway(state: State) -> None:
    """Start the gateway, and stay until it is told to stop (Ctrl-C or SIGTERM).

    The first start prints the line that makes the first administrator, unless PENSTOCK_ADMIN_EMAIL and
    PENSTOCK_ADMIN_PASSWORD name one.

    \b
    Examples:
      penstock start gateway
      HTTP_LISTEN=127.0.0.1:8109 GRPC_LISTEN=127.0.0.1:8110 penstock start gateway
      PUBLIC_LISTEN=0.0.0.0:8080 penstock start gateway
    """
    run_role("gateway", *role_settings(state))


@start.command()
@debug_options
@output_option()
@click.pass_obj
def agent(state: State) -> None:
    """Start an agent: it dials out to its gateway and opens no port.

    \b
    Examples:
      PENSTOCK_KEY=grpcs://NAME:SECRET@gateway.example.com:8010 penstock start agent
      penstock start agent --debug --debug-grpc
    """
    run_role("agent", *role_settings(state))


@start.command()
@debug_options
@output_option()
@click.pass_obj
def standalone(state: State) -> None:
    """Start gateway and agent in one process, listening on this machine only.

    \b
    Example:
      penstock start standalone
    """
    run_role("standalone", *role_settings(state))


start.add_command(worker)
start.add_command(proxy)
start.add_command(egress)
