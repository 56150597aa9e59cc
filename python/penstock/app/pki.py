"""The authority of the tunnel port's peers, for the command line on the gateway's machine."""

from pathlib import Path

from penstock.clock import SystemClock
from penstock.domain.ports import PeerCertificates
from penstock.identity.peers import PeerAuthority


def peer_certificates(home: Path) -> PeerCertificates:
    """The authority of this home; nothing is made yet."""
    return PeerAuthority(home, SystemClock())
