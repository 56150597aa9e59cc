"""How a command says no: `error:` and `hint:` for people, a problem document for programs."""

from __future__ import annotations

import json
import os
import sys

import click

from penstock.cli.text import clean
from penstock.cli.types import Json
from penstock.domain.errors import PenstockError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


class Refusal(click.ClickException):
    """What was asked could not be done. Exit code 1.

    `code` and `side` are those of the gateway's catalogue; `more` joins the problem (RFC 9457).
    """

    exit_code = FAILED

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str = "client",
        side: str = "client",
        **more: Json,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.side = side
        self.hint = hint
        self.more = more

    def problem(self) -> dict[str, Json]:
        """The error as an RFC 9457 document."""
        known = {"detail": self.message, "code": self.code, "side": self.side, "hint": self.hint, **self.more}
        return {"type": "about:blank", **{name: value for name, value in known.items() if value is not None}}


def usage_refusal(error: click.UsageError) -> Refusal:
    """A usage error in the words of every other error, with the command whose help explains it."""
    path = error.ctx.command_path if error.ctx else "penstock"
    return Refusal(error.format_message(), hint=f"{path} --help", code="usage")


def told_by_domain(error: PenstockError) -> Refusal:
    """An error of the gateway's, agent's or engine's own, where it ran in this process."""
    return Refusal(error.message, hint=error.hint, code=error.code, side=error.side)


def report(error: click.ClickException, as_json: bool) -> None:
    """Writes an error to stderr."""
    refusal = usage_refusal(error) if isinstance(error, click.UsageError) else error
    if not isinstance(refusal, Refusal):
        refusal = Refusal(refusal.format_message())
    if as_json:
        click.echo(json.dumps(refusal.problem(), ensure_ascii=False), err=True)
        return
    note("error", refusal.message, colour="red")
    if refusal.hint:
        note("hint", refusal.hint, colour="cyan")


def note(label: str, text: str, colour: str = "yellow") -> None:
    """Writes `label: text` to stderr, coloured only on a terminal."""
    click.secho(f"{label}: ", fg=colour, bold=True, nl=False, err=True, color=colours(sys.stderr.isatty()))
    click.echo(clean(text, newlines=True), err=True)


def colours(terminal: bool) -> bool:
    """Colours are for terminals, and for those who did not set `NO_COLOR` (no-color.org)."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
