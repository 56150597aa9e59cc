"""What the gateway's ports show: certificates by a CA of its own, made when needed and renewed at a start."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from penstock.domain.ports import Clock
from penstock.identity.authority import Authority, Leaf, Pair, general_names, load_pair, usable
from penstock.identity.leaf import fingerprint

LEAF_LIFE = timedelta(days=730)
RENEW_BEFORE = timedelta(days=365)  # renewed at start only, and gateways run long
_HINT = (
    "restore ca/ and server.* from a backup; deleting them makes a new CA, and every key "
    "and login must then be renewed"
)


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What the listeners show: a chain (leaf first) and its key; ``ca_pem`` if the CA is our own."""

    chain_pem: str
    key_pem: str = field(repr=False)
    ca_pem: str | None

    @property
    def ca_pin(self) -> str | None:
        """``sha256:`` and the hex of the SHA-256 over the own CA certificate's DER."""
        return None if self.ca_pem is None else ca_pin(self.ca_pem)


def ca_pin(pem: str) -> str:
    """The pin of this certificate."""
    return "sha256:" + fingerprint(x509.load_pem_x509_certificate(pem.encode()))


class ServerLeaf:
    """A server's leaf by an authority of ours, in ``server.pem`` and ``server.key`` of a folder."""

    def __init__(self, authority: Authority, folder: Path, clock: Clock) -> None:
        self._authority = authority
        self._cert = folder / "server.pem"
        self._key = folder / "server.key"
        self._clock = clock

    def identity(self, names: Sequence[str]) -> ServerIdentity:
        """The identity for these host names and addresses, made or renewed where needed.

        Raises ``ValueError``, ``TypeError`` or ``OSError`` if the files there cannot be used.
        """
        ca = self._authority.obtain()
        leaf = self._load()
        if leaf is None or not self._fits(leaf.certificate, ca.certificate, names):
            wanted = Leaf("Penstock gateway", names, ExtendedKeyUsageOID.SERVER_AUTH, LEAF_LIFE)
            leaf = self._authority.sign(ca, wanted)
            leaf.save(self._cert, self._key)
        return ServerIdentity(leaf.cert_pem + ca.cert_pem, leaf.key_pem, ca.cert_pem)

    def _load(self) -> Pair | None:
        try:
            return load_pair(self._cert, self._key)
        except ValueError:  # a crash while renewing leaves a pair that does not match: make a new one
            return None

    def _fits(self, leaf: x509.Certificate, ca: x509.Certificate, names: Sequence[str]) -> bool:
        try:
            leaf.verify_directly_issued_by(ca)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, a new leaf mends it
            return False
        sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (
            set(sans) == set(general_names(names))
            and leaf.not_valid_after_utc - RENEW_BEFORE > self._clock.now()
        )


class OwnAuthority:
    """The CA of the REST and gRPC ports under ``home/ca``, with its leaf in ``home``."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self._home = home
        self._leaf = ServerLeaf(Authority(home / "ca", "Penstock CA", clock), home, clock)

    def identity(self, names: Sequence[str]) -> ServerIdentity:
        """The identity for these host names and addresses, made or renewed where needed.

        Raises ``internal`` with a hint if the files there cannot be used.
        """
        with usable(self._home, _HINT):
            return self._leaf.identity(names)
