"""`penstock sessions replay`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import click

from penstock.cli.output import console, output_option
from penstock.cli.sessions.show import duration, principal
from penstock.cli.state import State
from penstock.cli.text import clean, instant, when
from penstock.cli.types import Json


@click.command()
@click.argument("recording", metavar="ID|FILE")
@output_option()
@click.pass_obj
def replay(state: State, recording: str) -> None:
    """Show what was done in a session; a live one as far as it is. A FILE is read without a gateway.

    With -o json: JSON lines, one object per event with `type` and `at`; statements have `text`, `rows` (null
    if they never completed) and `error`. What was recorded is shown with its control characters made visible.

    \b
    Examples:
      penstock sessions replay ID
      penstock sessions replay ~/.penstock/recordings/2026/01/31/ID.rec
      penstock sessions replay ID -o json | jq -r 'select(.type == "statement").text'
    """
    file = Path(recording).expanduser()
    with _events_of(file) if file.is_file() else _recorded(state, recording) as (session, events):
        if state.json:
            for line in events:
                click.echo(line)
        else:
            _show(session, map(json.loads, events))


@contextmanager
def _recorded(state: State, session: str) -> Iterator[tuple[Json, Iterator[str]]]:
    """A session and its events from the gateway."""
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        yield api.get("sessions", session), api.lines("sessions", session, "replay")


@contextmanager
def _events_of(file: Path) -> Iterator[tuple[Json, Iterator[str]]]:
    """A session, as its first event tells, and its events from a file."""
    events = read_file(file)
    first = next(events, "{}")
    opened = json.loads(first)
    yield {"id": opened.get("session"), "started_at": opened.get("at"), **opened}, chain([first], events)


def read_file(file: Path) -> Iterator[str]:
    """The events of a recording; raises at the first record that is bad."""
    from penstock.engine.recordings import read_recording

    return read_recording(file)


def _show(session: Json, events: Iterable[Json]) -> None:
    out = console()
    out.print(f"Session {clean(str(session.get('id')))}", style="bold")
    who, what = clean(principal(session)), clean(str(session.get("connection")))
    out.print(f"{who} on {what}, {when(session.get('started_at'))}")
    for event in events:
        for text, style in lines(event):
            out.print(text, style=style, soft_wrap=True)
    if session.get("status") == "open":
        out.print("\nThe session is still open.", style="yellow")


def lines(event: Json) -> list[tuple[str, str]]:
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


def _statement(event: Json) -> list[tuple[str, str]]:
    text = clean(str(event.get("text", "")), newlines=True).strip()
    indented = "\n".join(f"    {line}" for line in text.splitlines()) or "    (empty)"
    shown = [(f"\n{_clock(event)}  statement {event.get('id')}", "dim"), (indented, "")]
    if event.get("truncated"):
        shown.append((f"    … the first part of {event.get('bytes')} bytes", "yellow"))
    return [*shown, _outcome(event)]


def _outcome(event: Json) -> tuple[str, str]:
    millis = event.get("duration_ms")
    took = f", {duration(millis / 1000)}" if isinstance(millis, int | float) else ""
    if event.get("error"):
        return f"    → {clean(str(event['error']))}{took}", "red"
    rows = event.get("rows")
    if rows is not None:
        return f"    → {rows} row{'' if rows == 1 else 's'}{took}", "green"
    return (f"    → done{took}", "green") if took else ("    → never completed", "yellow")


def _clock(event: Json) -> str:
    moment = instant(str(event.get("at", "")))
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3] if moment else "--:--:--"
