"""The gateway's own CA and certificate, made on first start when none is configured."""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from penstock.domain.errors import internal
from penstock.domain.ports import Clock
from penstock.identity.private_files import private_folder, write_private

CA_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=730)
RENEW_BEFORE = timedelta(days=365)  # renewed at start only, and gateways run long
_SKEW = timedelta(hours=1)


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
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)
    return "sha256:" + hashlib.sha256(der).hexdigest()


class OwnAuthority:
    """A CA on EC P-256 under ``home/ca``, and its leaf in ``server.pem`` and ``server.key``."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self._ca_cert = home / "ca" / "ca.pem"
        self._ca_key = home / "ca" / "ca.key"
        self._leaf_cert = home / "server.pem"
        self._leaf_key = home / "server.key"
        self._clock = clock

    def identity(self, names: Sequence[str]) -> ServerIdentity:
        """The identity for these host names and addresses, made or renewed where needed.

        Raises ``internal`` with a hint if the files there cannot be used.
        """
        try:
            ca, ca_key = self._load(self._ca_cert, self._ca_key) or self._make_ca()
            leaf = self._load_leaf()
            if leaf is None or not self._fits(leaf[0], ca, names):
                leaf = self._make_leaf(ca, ca_key, names)
        except (ValueError, TypeError, OSError) as error:
            raise internal(
                f"the certificates in {self._leaf_cert.parent} cannot be used: {error}",
                hint="restore ca/ and server.* from a backup; deleting them makes a new CA, and every key "
                "and login must then be renewed",
            ) from None
        ca_pem = _pem(ca)
        return ServerIdentity(chain_pem=_pem(leaf[0]) + ca_pem, key_pem=_key_pem(leaf[1]), ca_pem=ca_pem)

    def _load(self, cert: Path, key: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
        if not cert.exists():  # written last: without it nobody has seen the key's certificate
            return None
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        if (
            not isinstance(private, ec.EllipticCurvePrivateKey)
            or private.public_key() != certificate.public_key()
        ):
            raise ValueError(f"{key.name} is not the key of {cert.name}")
        return certificate, private

    def _load_leaf(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
        try:
            return self._load(self._leaf_cert, self._leaf_key)
        except ValueError:  # a crash while renewing leaves a pair that does not match: make a new one
            return None

    def _fits(self, leaf: x509.Certificate, ca: x509.Certificate, names: Sequence[str]) -> bool:
        try:
            leaf.verify_directly_issued_by(ca)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, a new leaf mends it
            return False
        sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return (
            set(sans) == set(_general_names(names))
            and leaf.not_valid_after_utc - RENEW_BEFORE > self._clock.now()
        )

    def _make_ca(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Penstock CA")])
        usage = _key_usage(key_cert_sign=True, crl_sign=True, digital_signature=True)
        certificate = (
            _builder(name, name, key.public_key(), self._clock.now(), CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        private_folder(self._ca_cert.parent)
        self._save(self._ca_cert, certificate, self._ca_key, key)
        return certificate, key

    def _make_leaf(
        self, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, names: Sequence[str]
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Penstock gateway")])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        certificate = (
            _builder(subject, ca.subject, key.public_key(), self._clock.now(), LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
            .add_extension(authority, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        self._save(self._leaf_cert, certificate, self._leaf_key, key)
        return certificate, key

    def _save(
        self, cert: Path, certificate: x509.Certificate, key: Path, private: ec.EllipticCurvePrivateKey
    ) -> None:
        write_private(key, _key_pem(private).encode())
        write_private(cert, _pem(certificate).encode())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
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


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    result: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            result.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            result.append(x509.DNSName(name))
    return result


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
