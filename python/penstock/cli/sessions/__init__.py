"""`penstock sessions`: what was done, by whom, and when."""

from __future__ import annotations

import click

from penstock.cli.lazy import Lazy, LazyGroup

_TABLE = {
    "list": Lazy("penstock.cli.sessions.list:list_sessions", "List sessions, the latest first."),
    "get": Lazy("penstock.cli.sessions.get:get", "Show one session."),
    "replay": Lazy("penstock.cli.sessions.replay:replay", "Show what was done in a session."),
    "verify": Lazy("penstock.cli.sessions.verify:verify", "Prove that a recording is whole."),
    "key": Lazy("penstock.cli.sessions.key:key", "Print the public key that proves recordings."),
    "kill": Lazy("penstock.cli.sessions.kill:kill", "End a live session now."),
}


@click.group(cls=LazyGroup, table=_TABLE)
def sessions() -> None:
    """List, replay, verify and end sessions.

    You see your own sessions; administrators see all.
    """
