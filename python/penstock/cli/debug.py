"""`--debug` and `--debug-grpc`: what the engine is doing, on stderr. No secret and no payload is in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from penstock.cli.state import State
from penstock.cli.types import Command

if TYPE_CHECKING:
    from penstock.settings import Settings

_TRUE = ("1", "true", "yes", "on")


def debug_options(command: Command) -> Command:
    """The options, which land in the invocation's state."""

    def keep(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(State).debug.add(str(param.name))

    grpc = click.option(
        "--debug-grpc",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Log the head of every frame on links. [env: LOG_GRPC]",
    )
    debug = click.option(
        "--debug", is_flag=True, expose_value=False, callback=keep, help="Log more. [env: LOG_LEVEL]"
    )
    return debug(grpc(command))


def role_settings(state: State) -> tuple[Settings, ...]:
    """The settings of a role that is started so; none if they are as they stand."""
    if not state.debug:
        return ()
    from penstock.settings import load

    given = {"LOG_LEVEL": "DEBUG"} if "debug" in state.debug else {}
    return (load(given | ({"LOG_GRPC": "true"} if "debug_grpc" in state.debug else {})),)


def start_logging(state: State) -> None:
    """Starts the engine's log, if this invocation or `LOG_GRPC` asks for it; once in a process."""
    grpc = "debug_grpc" in state.debug or os.environ.get("LOG_GRPC", "").lower() in _TRUE
    if not (grpc or state.debug):
        return
    from penstock.engine.logging import init_logging

    init_logging("console", "debug" if "debug" in state.debug else "warn", grpc=grpc)
