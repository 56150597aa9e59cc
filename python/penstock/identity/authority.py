"""A certificate authority in a folder: made once, on EC P-256, and signing leaves from then on."""

import fcntl
import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from penstock.domain.errors import PenstockError, internal
from penstock.domain.ports import Clock
from penstock.identity.private_files import private_folder, write_private

CA_LIFE = timedelta(days=3650)
_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def cert_pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def key_pem(self) -> str:
        """The key, in the clear."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii")

    def save(self, cert: Path, key: Path) -> None:
        """Writes both, the key first: a certificate that is there has its key."""
        write_private(key, self.key_pem.encode())
        write_private(cert, self.cert_pem.encode())


def load_pair(cert: Path, key: Path) -> Pair | None:
    """The pair, or None if there is no certificate. Raises ``ValueError`` if the two do not fit."""
    if not cert.exists():  # written last: without it nobody has seen the key's certificate
        return None
    certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if (
        not isinstance(private, ec.EllipticCurvePrivateKey)
        or private.public_key() != certificate.public_key()
    ):
        raise ValueError(f"{key.name} is not the key of {cert.name}")
    return Pair(certificate, private)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate to sign: whose it is, the names in it, and what it is for."""

    common_name: str
    names: Sequence[str]
    usage: x509.ObjectIdentifier
    life: timedelta


class Authority:
    """``ca.pem`` and ``ca.key`` in a folder of their own."""

    def __init__(self, folder: Path, name: str, clock: Clock) -> None:
        self.cert = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._folder = folder
        self._name = name
        self._clock = clock

    def load(self) -> Pair | None:
        """The CA, if it was made. Raises ``ValueError`` or ``OSError`` if its files cannot be used."""
        return load_pair(self.cert, self._key)

    def obtain(self) -> Pair:
        """The CA, made if need be: once, whoever else tries at the same time. Raises as :meth:`load`."""
        found = self.load()
        if found is not None:
            return found
        with _locked(private_folder(self._folder)):
            return self.load() or self._make()

    def sign(self, ca: Pair, leaf: Leaf) -> Pair:
        """A new key and its certificate, which does not outlive the CA."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)])
        now = self._clock.now()
        until = min(now + leaf.life, ca.certificate.not_valid_after_utc)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
        certificate = (
            _builder(subject, ca.certificate.subject, key.public_key(), now, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([leaf.usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(general_names(leaf.names)), critical=False)
            .add_extension(issuer, critical=False)
            .sign(ca.key, hashes.SHA256())
        )
        return Pair(certificate, key)

    def _make(self) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)])
        usage = _key_usage(key_cert_sign=True, crl_sign=True, digital_signature=True)
        now = self._clock.now()
        certificate = (
            _builder(name, name, key.public_key(), now, now + CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        pair = Pair(certificate, key)
        pair.save(self.cert, self._key)
        return pair


@contextmanager
def usable(folder: Path, hint: str) -> Iterator[None]:
    """Turns what is wrong with a folder's certificates into ``internal`` with a hint."""
    try:
        yield
    except PenstockError:
        raise
    except (ValueError, TypeError, OSError) as error:
        raise internal(f"the certificates in {folder} cannot be used: {error}", hint=hint) from None


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Addresses, URIs, e-mail addresses and host names, as certificates tell them apart.

    Raises ``ValueError`` for what is not ASCII.
    """
    return [_general_name(name) for name in dict.fromkeys(names)]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if "://" in name:
            return x509.UniformResourceIdentifier(name)
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(until)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
