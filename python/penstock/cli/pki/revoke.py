"""`penstock pki revoke`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli.errors import Refusal
from penstock.cli.output import output_option, write_json
from penstock.cli.pki.authority import authority
from penstock.cli.state import State
from penstock.cli.text import clean


@click.command()
@click.argument("which", metavar="NAME|FINGERPRINT|FILE")
@click.option("--reason", default="", help="Why; administrators see it.")
@output_option()
@click.pass_obj
def revoke(state: State, which: str, reason: str) -> None:
    """Revoke a certificate, and end its links at once.

    A NAME stands for every certificate that was issued here for it. A FINGERPRINT is the SHA-256 of the
    certificate, in hex.

    \b
    Examples:
      penstock pki revoke office --reason 'the laptop was lost'
      penstock pki revoke ./office.pem
    """
    from penstock.cli.client import signed_in

    meant = _meant(state, which)
    with signed_in(state) as api:
        revoked: list[dict[str, Any]] = [
            api.post("certificates", body={"fingerprint": fingerprint, "name": name, "reason": reason})
            for fingerprint, name in meant
        ]
    if state.json:
        write_json(revoked)
        return
    for item in revoked:
        click.echo(f"Revoked {clean(item['name'] or 'a certificate')}: {clean(item['fingerprint'])}")


def _meant(state: State, which: str) -> list[tuple[str, str | None]]:
    """Fingerprints, each with the name for people."""
    from penstock.domain.certificate import is_fingerprint, parse_fingerprint

    known = authority(state)
    if is_fingerprint(which):
        fingerprint = parse_fingerprint(which)
        named = {certificate.fingerprint: certificate.name for certificate in known.issued()}
        return [(fingerprint, named.get(fingerprint))]
    found = [(c.fingerprint, c.name) for c in known.issued() if c.name == which]
    if found:
        return [*found]
    if Path(which).is_file():
        certificate = known.read(Path(which))
        return [(certificate.fingerprint, certificate.name)]
    raise Refusal(
        f"Nothing was issued here for {which!r}, and it is neither a file nor a fingerprint.",
        hint="On another machine than the gateway's, give the file or the fingerprint: penstock pki list",
        code="not-found",
    )
