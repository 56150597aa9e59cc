"""`penstock sessions replay`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from penstock.cli.output import console, output_option
from penstock.cli.sessions.show import duration, principal
from penstock.cli.state import State
from penstock.cli.text import clean, instant, when


@click.command()
@click.argument("session_id", metavar="ID")
@output_option()
@click.pass_obj
def replay(state: State, session_id: str) -> None:
    """Show what was done in a session; a live one as far as it is.

    With -o json: JSON lines, one object per event with `type` and `at`; statements have `text`, `rows` (null
    if they never completed) and `error`. What was recorded is shown with its control characters made visible.

    \b
    Examples:
      penstock sessions replay ID
      penstock sessions replay ID -o json | jq -r 'select(.type == "statement").text'
    """
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        if state.json:
            for line in api.lines("sessions", session_id, "replay"):
                click.echo(line)
            return
        session = api.get("sessions", session_id)
        _show(session, map(json.loads, api.lines("sessions", session_id, "replay")))


def _show(session: dict[str, Any], events: Iterable[dict[str, Any]]) -> None:
    out = console()
    out.print(f"Session {clean(session['id'])}", style="bold")
    out.print(f"{clean(principal(session))} on {clean(session['connection'])}, {when(session['started_at'])}")
    for event in events:
        for text, style in lines(event):
            out.print(text, style=style, soft_wrap=True)
    if session["status"] == "open":
        out.print("\nThe session is still open.", style="yellow")


def lines(event: dict[str, Any]) -> list[tuple[str, str]]:
    """One event as lines with their styles; nothing for those that the header already tells."""
    match event.get("type"):
        case "statement":
            return _statement(event)
        case "client":
            said = (
                f"{key} {clean(str(event[key]))}"
                for key in ("user", "database", "application")
                if event.get(key)
            )
            return [(f"client: {', '.join(said)}", "dim")]
        case "cancel":
            return [(f"\n{_clock(event)}  the client asked to cancel", "yellow")]
        case "notice":
            return [(f"\n{_clock(event)}  {clean(str(event.get('text')))}", "yellow")]
        case "ended":
            reason = f": {clean(str(event['reason']))}" if event.get("reason") else ""
            return [(f"\n{_clock(event)}  {clean(str(event.get('status')))}{reason}", "bold")]
        case _:
            return []


def _statement(event: dict[str, Any]) -> list[tuple[str, str]]:
    text = clean(str(event.get("text", "")), newlines=True).strip()
    indented = "\n".join(f"    {line}" for line in text.splitlines()) or "    (empty)"
    shown = [(f"\n{_clock(event)}  statement {event.get('id')}", "dim"), (indented, "")]
    if event.get("truncated"):
        shown.append((f"    … the first part of {event.get('bytes')} bytes", "yellow"))
    return [*shown, _outcome(event)]


def _outcome(event: dict[str, Any]) -> tuple[str, str]:
    millis = event.get("duration_ms")
    took = f", {duration(millis / 1000)}" if isinstance(millis, int | float) else ""
    if event.get("error"):
        return f"    → {clean(str(event['error']))}{took}", "red"
    rows = event.get("rows")
    if rows is not None:
        return f"    → {rows} row{'' if rows == 1 else 's'}{took}", "green"
    return (f"    → done{took}", "green") if took else ("    → never completed", "yellow")


def _clock(event: dict[str, Any]) -> str:
    moment = instant(str(event.get("at", "")))
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3] if moment else "--:--:--"
