"""`penstock egress`: what the forward proxy's configuration says."""

from __future__ import annotations

import click

from penstock.cli.lazy import Lazy, LazyGroup

_TABLE = {
    "check": Lazy("penstock.cli.egress.check:check", "Read a configuration, and say what is wrong with it."),
    "explain": Lazy(
        "penstock.cli.egress.explain:explain", "Say which route and which rule decide about a request."
    ),
    "key": Lazy(
        "penstock.cli.egress.key:key", "Make a key for the caller NAME, and its hash for the configuration."
    ),
}


@click.group(cls=LazyGroup, table=_TABLE)
def egress() -> None:
    """Check and explain the forward proxy's configuration; start it with `penstock start egress`."""
