"""The CA of the tunnel port's peers, and the certificates that it issued."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from penstock.domain.addresses import is_host
from penstock.domain.certificate import AuthorityFile, CertificateFiles, NewCertificate, PeerCertificate
from penstock.domain.errors import conflict, malformed
from penstock.domain.names import check_certificate_name, check_name
from penstock.domain.ports import Clock
from penstock.identity.authority import Authority, Leaf, Pair, usable
from penstock.identity.leaf import describe
from penstock.identity.pki import ServerIdentity, ServerLeaf, ca_pin
from penstock.identity.private_files import private_folder, write_private

_HINT = (
    "restore pki/ from a backup; deleting it makes a new CA, and every certificate must then be issued anew"
)
_FILE_BYTES = 1 << 20


class PeerAuthority:
    """Under ``home/pki``; implements ``PeerCertificates``.

    Beside the CA and the tunnel port's own leaf: in ``register`` every certificate that was issued, without
    its key, and in ``peers`` the pairs that nobody gave a folder for.
    """

    def __init__(self, home: Path, clock: Clock) -> None:
        self._home = home
        self._folder = home / "pki"
        # Only the name of a new one: with another's it would seem to be that one, its signatures broken.
        name = f"Penstock tunnel CA {secrets.token_hex(4)}"
        self._authority = Authority(self._folder, name, clock)
        self._server = ServerLeaf(self._authority, self._folder, clock)

    @property
    def exists(self) -> bool:
        """Whether the CA was made."""
        return self._authority.cert.exists()

    def init(self) -> AuthorityFile:
        """The CA, made if there is none. Raises ``internal`` if its files cannot be used."""
        return self._obtain()[1]

    def issue(self, new: NewCertificate, folder: Path | None) -> CertificateFiles:
        """A certificate and its key, as ``NAME.pem`` and ``NAME.key`` in ``folder``.

        Raises ``malformed`` for a name that cannot be one, ``conflict`` if the files exist.
        """
        names = (check_name("a certificate", new.name), *map(_check_alternative, new.more))
        ca, authority = self._obtain()
        place = _made(folder or self._folder / "peers")
        cert, key = place / f"{new.name}.pem", place / f"{new.name}.key"
        _refuse_to_overwrite(cert, key)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if new.server else ExtendedKeyUsageOID.CLIENT_AUTH
        pair = self._authority.sign(ca, Leaf(new.name, names, usage, new.life))
        found = describe(pair.certificate)
        # Noted before it is handed out: what exists can be found to be revoked.
        register = private_folder(self._folder / "register")
        write_private(register / f"{found.fingerprint}.pem", pair.cert_pem.encode())
        pair.save(cert, key)
        return CertificateFiles(found, cert, key, authority)

    def issued(self) -> Sequence[PeerCertificate]:
        """All that was issued here, by name and then by end."""
        with usable(self._folder, _HINT):
            files = sorted((self._folder / "register").glob("*.pem"))
            found = [describe(x509.load_pem_x509_certificate(file.read_bytes())) for file in files]
        return sorted(found, key=lambda certificate: (certificate.name, certificate.expires_at))

    def read(self, path: Path) -> PeerCertificate:
        """The first certificate of a PEM file. Raises ``malformed``."""
        try:
            with path.open("rb") as file:
                return describe(x509.load_pem_x509_certificates(file.read(_FILE_BYTES))[0])
        except (OSError, ValueError) as error:
            raise malformed(
                f"{path} is not a certificate that can be read: {error}", hint="give a PEM file, NAME.pem"
            ) from None

    def server(self, names: Sequence[str]) -> ServerIdentity:
        """What the tunnel port shows, made or renewed where needed. Raises ``internal``."""
        private_folder(self._home)
        with usable(self._folder, _HINT):
            return self._server.identity(names)

    def _obtain(self) -> tuple[Pair, AuthorityFile]:
        made = not self.exists
        private_folder(self._home)
        with usable(self._folder, _HINT):
            ca = self._authority.obtain()
        path, until = self._authority.cert, ca.certificate.not_valid_after_utc
        return ca, AuthorityFile(path, ca_pin(ca.cert_pem), until, made)


def _check_alternative(name: str) -> str:
    check_certificate_name(name)
    if not ("://" in name or "@" in name or is_host(name.removeprefix("*."))):
        raise malformed(
            f"{name!r} cannot stand in a certificate",
            hint="give a host name, an address, an e-mail address or a URI",
        )
    return name


def _made(folder: Path) -> Path:
    # A folder that is there may be shared on purpose: only a new one is closed to others.
    return folder if folder.is_dir() else private_folder(folder)


def _refuse_to_overwrite(*files: Path) -> None:
    for file in files:
        if file.exists():
            raise conflict(f"{file} exists", hint="move it away, or give another folder: --dir DIR")
