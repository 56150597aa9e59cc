"""`penstock pki`: certificates for the tunnel port."""

from __future__ import annotations

import click

from penstock.cli.lazy import Lazy, LazyGroup

_TABLE = {
    "init": Lazy("penstock.cli.pki.init:init", "Make the authority of the tunnel port's peers."),
    "issue": Lazy("penstock.cli.pki.issue:issue", "Issue a certificate and its key."),
    "revoke": Lazy("penstock.cli.pki.revoke:revoke", "Revoke a certificate, and end its links at once."),
    "list": Lazy("penstock.cli.pki.list:list_certificates", "List what was issued here and what is revoked."),
}


@click.group(cls=LazyGroup, table=_TABLE)
def pki() -> None:
    """Issue and revoke the certificates of the tunnel port.

    Agents that dial tls://HOST:8443 prove who they are by a certificate. The authority lies in
    PENSTOCK_HOME/pki on the gateway's machine: `init` and `issue` run there, and need no gateway.
    `revoke` and `list` ask the gateway.

    \b
    A first certificate:
      penstock pki init
      penstock admin create agent office
      penstock pki issue office
    """
