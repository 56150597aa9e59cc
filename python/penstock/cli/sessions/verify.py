"""`penstock sessions verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli.errors import Refusal
from penstock.cli.output import output_option, write_json
from penstock.cli.state import State
from penstock.cli.text import clean

# A recording of many gigabytes is read from end to end.
_SECONDS = 1800.0


@click.command()
@click.argument("recording", metavar="ID|FILE")
@click.option("--head", metavar="HEX", help="For a FILE: the hash that its last record must have.")
@output_option()
@click.pass_obj
def verify(state: State, recording: str, head: str | None) -> None:
    """Prove that a recording is whole: nothing changed, cut or reordered.

    An ID is checked by the gateway, against the hash that it noted when the session ended. A FILE is checked
    here, without a gateway; only --head proves that its end was not replaced. The exit code is 1 if a record
    is bad, and the answer names the first one.

    \b
    Examples:
      penstock sessions verify 0198f3c2-…
      penstock sessions verify ~/.penstock/recordings/2026/01/31/ID.rec --head HEX
    """
    file = Path(recording).expanduser()
    if head and not file.is_file():
        raise click.UsageError(f"--head is for a file, and there is no file {recording}.")
    result = verify_file(file, head) if file.is_file() else _verify_session(state, recording)
    if state.json:
        write_json(result)
    elif result["ok"]:
        click.echo(_praise(result))
    if not result["ok"]:
        raise _blame(result)


def _verify_session(state: State, session: str) -> dict[str, Any]:
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        answer: dict[str, Any] = api.post("sessions", session, "verify", seconds=_SECONDS)
        return answer


def verify_file(file: Path, head: str | None) -> dict[str, Any]:
    from penstock.engine.recordings import verify_recording

    return dict(verify_recording(file, head))


def _praise(result: dict[str, Any]) -> str:
    end = "" if result["ended"] else " It has no end record: the session is live or was interrupted."
    return f"The recording is whole: {result['records']} records, head {clean(str(result['head']))}.{end}"


def _blame(result: dict[str, Any]) -> Refusal:
    fault = result.get("fault") or {}
    return Refusal(
        f"The recording is not whole: {fault.get('what')}",
        hint="What comes before that record is intact; what follows proves nothing.",
        code="malformed",
        side="gateway",
        fault=fault,
    )
