"""`penstock admin update`."""

from __future__ import annotations

import click

from penstock.cli.admin.resources import Nouns
from penstock.cli.admin.service_account import update_service_account


@click.group(cls=Nouns)
def update() -> None:
    """Change a service account."""


update.add_command(update_service_account)
