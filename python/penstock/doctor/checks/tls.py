"""The TLS handshake: is the chain believed, for this name, in date, and is HTTP/2 chosen?"""

import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import NameOID

from penstock.doctor.examination import Examination
from penstock.doctor.finding import CheckError, Finding
from penstock.domain.errors import PenstockError
from penstock.engine.probe import Shown

_SOON = timedelta(days=14)
_NAMES = 4


def handshake(examination: Examination) -> Finding:
    """Looks at what is shown, and believes it as agents and clients do."""
    patient = examination.patient
    try:
        shown = examination.probe.shown(examination.timeout_seconds)
    except PenstockError as error:
        raise CheckError(error.message, {"tls": error.message}) from error
    leaf = _leaf(shown)
    facts = _facts(shown, leaf)
    if shown.distrust:
        raise CheckError(
            f"{shown.distrust.message}; it is for {facts['names']}, issued by {facts['issuer']}",
            {**facts, "trust": patient.trusts, "distrust": shown.distrust.message},
        )
    if not patient.tunnel and shown.alpn != "h2":
        raise CheckError("TLS is believed, but HTTP/2 is not offered (ALPN)", facts)
    left = leaf.not_valid_after_utc - datetime.now(UTC)
    if left < _SOON:
        raise CheckError(
            f"the certificate expires in {left.days} days", {**facts, "expires": "soon"}, grave=False
        )
    until = leaf.not_valid_after_utc.date().isoformat()
    version = (shown.version or "").replace("v", " ").replace("_", ".")
    return Finding(
        f"{version}, {shown.alpn or 'no ALPN'}; {facts['names']} until {until}, by {facts['issuer']}"
    )


def _leaf(shown: Shown) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(shown.chain[0])
    except (IndexError, ValueError) as error:
        raise CheckError("the certificate that is shown cannot be read") from error


def _facts(shown: Shown, leaf: x509.Certificate) -> dict[str, str]:
    return {
        "alpn": shown.alpn or "none",
        "issuer": _issuer(leaf),
        "names": _names(leaf),
        "ca": ", ".join(f"sha256:{hashlib.sha256(der).hexdigest()}" for der in shown.chain[1:]) or "none",
    }


def _issuer(leaf: x509.Certificate) -> str:
    named = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(named[0].value) if named else leaf.issuer.rfc4514_string() or "nobody"


def _names(leaf: x509.Certificate) -> str:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return "no name"
    found = [str(name.value) for name in names]
    more = f" and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
    return ", ".join(found[:_NAMES]) + more
