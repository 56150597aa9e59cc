"""`penstock pki list`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from penstock.cli.output import output_option, write_json, write_table
from penstock.cli.pki.authority import authority
from penstock.cli.state import State
from penstock.cli.text import when

_COLUMNS = ("name", "names", "status", "expires_at", "reason", "fingerprint")


@click.command("list")
@output_option()
@click.pass_obj
def list_certificates(state: State) -> None:
    """List what was issued here and what is revoked.

    What was issued is known in PENSTOCK_HOME/pki, what is revoked at the gateway.

    \b
    Examples:
      penstock pki list
      penstock pki list -o json | jq '.[] | select(.status == "revoked")'
    """
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        revoked = {item["fingerprint"]: item for item in api.get("certificates")}
    found = _merged(state, revoked)
    if state.json:
        write_json(found)
        return
    rows = [{**item, "expires_at": when(item["expires_at"])} for item in found]
    write_table(rows, _COLUMNS, "There is no certificate yet.")


def _merged(state: State, revoked: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    issued = {
        certificate.fingerprint: {
            "name": certificate.name,
            "names": list(certificate.names),
            "status": "expired" if certificate.expires_at <= now else "valid",
            "expires_at": certificate.expires_at.isoformat(),
            "fingerprint": certificate.fingerprint,
        }
        for certificate in authority(state).issued()
    }
    elsewhere = {fingerprint: item for fingerprint, item in revoked.items() if fingerprint not in issued}
    nothing: dict[str, Any] = {"names": [], "expires_at": None}
    return [
        *({**item, **_revocation(revoked.get(fingerprint))} for fingerprint, item in issued.items()),
        *({**nothing, "name": item["name"], **_revocation(item)} for item in elsewhere.values()),
    ]


def _revocation(item: dict[str, Any] | None) -> dict[str, Any]:
    if item is None:
        return {}
    kept = {key: item[key] for key in ("fingerprint", "reason", "revoked_at", "revoked_by")}
    return {"status": "revoked", **kept}
