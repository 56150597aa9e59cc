"""`penstock pki issue`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.errors import note
from penstock.cli.output import output_option, write_json
from penstock.cli.pki.authority import authority, shape
from penstock.cli.state import State
from penstock.cli.text import clean, when

if TYPE_CHECKING:
    from penstock.domain.certificate import CertificateFiles

_LONGEST_DAYS = 3650


@click.command()
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write NAME.pem and NAME.key.  [default: PENSTOCK_HOME/pki/peers]",
)
@click.option(
    "--days",
    type=click.IntRange(1, _LONGEST_DAYS),
    default=365,
    show_default=True,
    help="How long it is valid; never longer than the authority.",
)
@click.option("--server", is_flag=True, help="For a server, not for a peer that dials.")
@click.option("--san", "more", multiple=True, metavar="NAME", help="One more name in it.")
@output_option()
@click.pass_obj
def issue(
    state: State, name: str, folder: Path | None, days: int, server: bool, more: tuple[str, ...]
) -> None:
    """Issue a certificate and its key.

    The agent NAME may dial with it, or a worker of the app NAME; or those that were created with
    --certificate-name NAME and --worker NAME. Files that exist are not overwritten.

    \b
    Examples:
      penstock pki issue office
      penstock pki issue office --dir /media/usb --days 90
      penstock pki issue edge.example.com --server --san 10.0.0.7
    """
    from datetime import timedelta

    from penstock.domain.certificate import NewCertificate

    new = NewCertificate(name, timedelta(days=days), more, server)
    issued = authority(state).issue(new, folder and folder.absolute())
    if issued.authority.made:
        note("notice", f"there was no authority; it is made: {issued.authority.path}")
    if state.json:
        write_json(_shape(issued))
    else:
        _tell(issued)


def _shape(issued: CertificateFiles) -> dict[str, object]:
    certificate = issued.certificate
    return {
        "name": certificate.name,
        "names": list(certificate.names),
        "fingerprint": certificate.fingerprint,
        "server": certificate.server,
        "expires_at": certificate.expires_at.isoformat(),
        "cert": str(issued.cert),
        "key": str(issued.key),
        **shape(issued.authority),
    }


def _tell(issued: CertificateFiles) -> None:
    certificate = issued.certificate
    until = when(certificate.expires_at.isoformat())
    click.echo(f"Certificate for {clean(certificate.name)}, valid until {until}:\n")
    click.echo(f"  certificate  {clean(str(issued.cert))}")
    click.echo(f"  key          {clean(str(issued.key))}")
    click.echo(f"  authority    {clean(str(issued.authority.path))}\n")
    if certificate.server:
        return
    address = shlex.quote(f"tls://HOST:8443?ca={issued.authority.pin}")
    files = f"TLS_CERT={shlex.quote(str(issued.cert))} TLS_KEY={shlex.quote(str(issued.key))}"
    click.echo("Take them to where it is used, and start what dials with HOST as it is reached. An agent:\n")
    click.echo(f"  PENSTOCK_KEY={address} {clean(files)} penstock start agent\n")
    ca = shlex.quote(str(issued.authority.path))
    click.echo("Or a worker:\n")
    click.echo(f"  {clean(files)} TLS_CA={clean(ca)} penstock start worker MODULE:APP --connect HOST:8443\n")
    note("notice", "whoever has the key is this peer; `penstock pki revoke` ends that.")
