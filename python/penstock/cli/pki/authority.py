"""The authority in this home."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from penstock.cli.lazy import Lazy
from penstock.cli.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.domain.certificate import AuthorityFile
    from penstock.domain.ports import PeerCertificates

# Named, not imported: the composition root stands above the command line.
_OPEN = Lazy("penstock.app.pki:peer_certificates", "the authority of a home")


def authority(state: State) -> PeerCertificates:
    """Makes nothing yet."""
    return cast("Callable[[Path], PeerCertificates]", _OPEN.load())(state.home)


def shape(file: AuthorityFile) -> dict[str, str]:
    """The authority as JSON shows it."""
    return {"ca": str(file.path), "ca_pin": file.pin}
