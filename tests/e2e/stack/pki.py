"""Certificates as an operator makes them: by `penstock pki`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.domain.certificate import NewCertificate
from penstock.identity.peers import PeerAuthority

from tests.e2e.stack.cli import Cli


@dataclass(frozen=True)
class Issued:
    """One certificate, its key and who signed it."""

    cert: Path
    key: Path
    ca: Path
    fingerprint: str

    @property
    def bundle(self) -> Path:
        """Certificate and key in one file, as HAProxy wants them."""
        file = self.key.with_suffix(".bundle")
        if not file.exists():
            file.touch(mode=0o600)
            file.write_bytes(self.cert.read_bytes() + self.key.read_bytes())
        return file


@dataclass(frozen=True)
class LongAgo:
    """A clock that stands still."""

    days: int

    def now(self) -> datetime:
        """So many days ago."""
        return datetime.now(UTC) - timedelta(days=self.days)


@dataclass(frozen=True)
class Pki:
    """An authority in a home of its own, and all it has issued."""

    cli: Cli

    def __post_init__(self) -> None:
        self.cli.json("pki", "init")

    def issue(self, name: str, *options: str) -> Issued:
        """A certificate for a peer that dials, or with `--server` for one that listens."""
        found = self.cli.json("pki", "issue", name, *options)
        return Issued(Path(found["cert"]), Path(found["key"]), Path(found["ca"]), found["fingerprint"])

    def server(self, name: str) -> Issued:
        """A certificate for a listener on this machine."""
        return self.issue(name, "--server", "--san", "127.0.0.1", "--san", "localhost")

    def expired(self, name: str) -> Issued:
        """One that was valid until yesterday."""
        past = PeerAuthority(self.cli.home, LongAgo(days=2))
        files = past.issue(NewCertificate(name, timedelta(days=1)), self.cli.home / "expired")
        return Issued(files.cert, files.key, self.cli.home / "pki" / "ca.pem", "")
