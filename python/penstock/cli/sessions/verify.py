"""`penstock sessions verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.errors import Refusal
from penstock.cli.output import output_option, write_json
from penstock.cli.state import State
from penstock.cli.text import clean

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# A recording of many gigabytes is read from end to end.
_SECONDS = 1800.0


@click.command()
@click.argument("recording", metavar="ID|FILE|FOLDER")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="For a FILE or FOLDER: the gateway's public key, from `penstock sessions key`.",
)
@click.option("--head", metavar="HEX", help="For a FILE: the hash that its last record must have.")
@output_option()
@click.pass_obj
def verify(state: State, recording: str, key: Path | None, head: str | None) -> None:
    """Prove that a recording is whole: nothing changed, cut or reordered.

    An ID is checked by the gateway, against the hash that it noted when the session ended. A FILE is checked
    here, without a gateway: with --key against the signatures beside it, else only --head proves that its end
    was not replaced. A FOLDER of recordings is checked with --key against its ledger, which shows also what
    was deleted, swapped or added. The exit code is 1 if anything is wrong, and the answer names it.

    \b
    Examples:
      penstock sessions verify 0198f3c2-…
      penstock sessions verify ~/.penstock/recordings --key recordings.pem
      penstock sessions verify ~/.penstock/recordings/2026/01/31/ID.rec --key recordings.pem
      penstock sessions verify ID.rec --head HEX
    """
    file = Path(recording).expanduser()
    if file.is_dir():
        _verify_folder(state, file, key)
        return
    if (head or key) and not file.is_file():
        raise click.UsageError(f"--head and --key are for files, and there is no file {recording}.")
    result = verify_file(file, head, key) if file.is_file() else _verify_session(state, recording)
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


def verify_file(file: Path, head: str | None, key: Path | None = None) -> dict[str, Any]:
    """The report on one recording. Raises :class:`Refusal` for a file that is no key."""
    from penstock.engine.recordings import Recordings, verify_recording

    if key is None:
        return dict(verify_recording(file, head))
    from penstock.proof.recording import check_recording

    return check_recording(file, _public_key(key), Recordings())


def _verify_folder(state: State, folder: Path, key: Path | None) -> None:
    """Raises :class:`Refusal` if something is wrong."""
    from penstock.engine.recordings import Recordings
    from penstock.proof.folder import check_folder

    if key is None:
        raise click.UsageError("A folder is checked with --key; get it by `penstock sessions key`.")
    try:
        faults = [
            {"session": session, "what": what}
            for session, what in check_folder(folder, _public_key(key), Recordings())
        ]
    except FileNotFoundError:
        raise Refusal(
            f"{folder} has no ledger.",
            hint="Give the folder in which the gateway keeps its recordings: PENSTOCK_HOME/recordings.",
            code="not-found",
            side="client",
        ) from None
    if state.json:
        write_json({"ok": not faults, "faults": faults})
    for fault in faults:
        click.echo(clean(f"{fault['session'] or folder.name}: {fault['what']}"), err=True)
    if faults:
        raise Refusal(
            f"{len(faults)} {'thing is' if len(faults) == 1 else 'things are'} wrong in {folder}.",
            hint="What is not named is as it was recorded.",
            code="malformed",
            side="gateway",
        )
    if not state.json:
        click.echo("Every recording that the ledger knows is there and whole, and there is no other.")


def _public_key(file: Path) -> Ed25519PublicKey:
    from penstock.proof.lines import public_key

    try:
        return public_key(file.read_bytes())
    except ValueError as error:
        raise Refusal(
            f"{file} holds no public key: {error}",
            hint="Get it by `penstock sessions key`.",
            code="malformed",
            side="client",
        ) from None


def _praise(result: dict[str, Any]) -> str:
    if result.get("sealed"):
        return (
            f"The recording is whole and signed: {result['records']} records, head {clean(result['head'])}."
        )
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
