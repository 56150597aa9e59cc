"""`penstock sessions list`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.output import output_option, write_json, write_table
from penstock.cli.sessions.show import row
from penstock.cli.state import State

if TYPE_CHECKING:
    from penstock.cli.api import Api

_PAGE = 200
_COLUMNS = ("id", "type", "connection", "principal", "status", "started_at", "lasted", "statements")


@click.command("list")
@click.option("--status", help="Only in this state: open, closed, killed, expired, failed, interrupted.")
@click.option("--type", "kind", help="Only of this type: postgres, tcp, egress.")
@click.option("--connection", metavar="NAME", help="Only sessions on this connection.")
@click.option("--principal", metavar="EMAIL", help="Only sessions of this user.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@output_option()
@click.pass_obj
def list_sessions(
    state: State,
    status: str | None,
    kind: str | None,
    connection: str | None,
    principal: str | None,
    limit: int,
) -> None:
    """List sessions, the latest first. Tunnels through the forward proxy are of type egress.

    With -o json: one array of session objects.

    \b
    Examples:
      penstock sessions list
      penstock sessions list --status open --connection prod-db -o json
    """
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        filters = {"status": status, "type": kind, "connection": connection, "principal": principal}
        found = list(islice(_all(api, limit, **filters), limit))
    if state.json:
        write_json(found)
    else:
        write_table(map(row, found), _COLUMNS, "There is no such session.")


def _all(api: Api, limit: int, **filters: str | None) -> Iterator[dict[str, Any]]:
    before: str | None = None
    while True:
        page = api.get("sessions", limit=min(limit, _PAGE), before=before, **filters)
        yield from page["items"]
        before = page.get("next")
        if not before or not page["items"]:
            return
