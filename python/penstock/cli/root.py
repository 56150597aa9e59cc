"""The command `penstock`: its table of commands, and nothing that takes time to import."""

from __future__ import annotations

import click

from penstock import __version__
from penstock.cli.lazy import Lazy, LazyGroup

TABLE = {
    "login": Lazy("penstock.cli.login:login", "Log in to a gateway."),
    "logout": Lazy("penstock.cli.logout:logout", "Log out and revoke the token."),
    "status": Lazy("penstock.cli.status:status", "Show the gateway and who you are there."),
    "list": Lazy("penstock.cli.list:list_connections", "List the connections that you may use."),
    "describe": Lazy("penstock.cli.describe:describe", "Show one connection and how to use it."),
    "connect": Lazy(
        "penstock.cli.connect:connect", "Open a local port to a connection, for psql and its like."
    ),
    "exec": Lazy("penstock.cli.exec:execute", "Run SQL on a connection."),
    "sessions": Lazy("penstock.cli.sessions:sessions", "List, replay, verify and end sessions."),
    "admin": Lazy("penstock.cli.admin:admin", "Manage agents, connections, users and groups."),
    "pki": Lazy("penstock.cli.pki:pki", "Issue and revoke the certificates of the tunnel port."),
    "egress": Lazy("penstock.cli.egress:egress", "Check and explain the forward proxy's configuration."),
    "setup": Lazy("penstock.cli.setup:setup", "Make the first administrator of a new gateway."),
    "start": Lazy("penstock.cli.start:start", "Start a gateway, an agent, or both."),
    "doctor": Lazy("penstock.cli.doctor:doctor", "Look at the way to the gateway, and say what is wrong."),
    "demo": Lazy("penstock.demo.command:demo", "Try everything on this machine, database included."),
    "version": Lazy("penstock.cli.version:version", "Show the version."),
}


@click.group(cls=LazyGroup, table=TABLE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="penstock", message="%(prog)s %(version)s")
def root() -> None:
    """Reach private systems through one gate that knows who you are and records what was done.

    \b
    Try it:       penstock demo
    Log in:       penstock login --api-url https://gateway.example.com:8009
    Use it:       penstock list; penstock connect prod-db; penstock exec prod-db -i 'SELECT 1'
    Look back:    penstock sessions list; penstock sessions replay ID

    State lives in PENSTOCK_HOME, by default ~/.penstock.
    Exit codes: 0 done, 1 refused or failed, 2 asked wrongly.
    """
