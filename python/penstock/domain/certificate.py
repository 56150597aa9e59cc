"""Certificates of the peers that dial the tunnel port, and the authority that issues them."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from penstock.domain.errors import malformed

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A certificate by what it says. ``names`` are what a peer is known by; ``server``: it is a server's."""

    name: str
    names: tuple[str, ...]
    fingerprint: str
    server: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """A certificate to issue: ``name`` and the ``more`` names it holds."""

    name: str
    life: timedelta
    more: tuple[str, ...] = ()
    server: bool = False


@dataclass(frozen=True, slots=True)
class AuthorityFile:
    """Where the authority's certificate is, and the pin that others know it by; ``made``: just now."""

    path: Path
    pin: str
    expires_at: datetime
    made: bool


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """What was issued, and where it lies."""

    certificate: PeerCertificate
    cert: Path
    key: Path
    authority: AuthorityFile


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A certificate that opens no link any more; ``fingerprint`` is the SHA-256 of its DER, in hex."""

    fingerprint: str
    name: str | None
    reason: str
    revoked_at: datetime
    revoked_by: str


def is_fingerprint(text: str) -> bool:
    """Whether :func:`parse_fingerprint` reads it."""
    return _FINGERPRINT.fullmatch(_bare(text)) is not None


def parse_fingerprint(text: str) -> str:
    """The 64 hex digits, in lower case; ``sha256:`` and colons may stand in the text.

    Raises ``malformed``.
    """
    if not is_fingerprint(text):
        raise malformed(
            "this is not a certificate's fingerprint",
            hint="give the SHA-256 of its DER in 64 hex digits: openssl x509 -noout -fingerprint -sha256",
        )
    return _bare(text)


def _bare(text: str) -> str:
    return text.strip().lower().removeprefix("sha256:").replace(":", "")
