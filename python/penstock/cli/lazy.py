"""Groups whose commands are a literal table, imported only when one is run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import click

from penstock.cli.types import Json


class Lazy(NamedTuple):
    """A command that is not imported yet."""

    target: str
    """`module:attribute`"""
    summary: str
    """What `--help` of the group says of it, so that help imports nothing."""

    def load(self) -> object:
        """Imports the module and returns the attribute."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary: start-up time is quality too."""

    def __init__(self, *, table: Mapping[str, Lazy], **attributes: Json) -> None:
        super().__init__(**attributes)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the table's order, which is the order of use."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        command = entry.load()
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command, or names the nearest one."""
        name = args[0]
        if name in self.table or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        near = get_close_matches(name, self.table, n=1)
        return ctx.fail(f"No such command '{name}'." + (f" Did you mean '{near[0]}'?" if near else ""))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.table.items()])
