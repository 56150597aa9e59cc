"""What a certificate says of its holder."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from penstock.domain.certificate import PeerCertificate

_PROVING = (x509.DNSName, x509.UniformResourceIdentifier, x509.RFC822Name)


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 of the DER, in hex."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def leaf_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names that a peer is known by, as ``crates/link`` reads them.

    The subject alternative names but addresses; the common name if there are none.
    """
    names = [name.value for name in _alternatives(certificate) if isinstance(name, _PROVING)]
    return tuple(names) or _common_names(certificate)


def host_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts and addresses that a server's certificate is for."""
    hosts = (name for name in _alternatives(certificate) if isinstance(name, (x509.DNSName, x509.IPAddress)))
    return tuple(str(name.value) for name in hosts)


def describe(certificate: x509.Certificate) -> PeerCertificate:
    """What it says. Raises ``ValueError`` if it names nobody or cannot be read."""
    names = leaf_names(certificate)
    if not names:
        raise ValueError("it names nobody")
    return PeerCertificate(
        name=(*_common_names(certificate), *names)[0],
        names=names,
        fingerprint=fingerprint(certificate),
        server=_is_servers(certificate),
        expires_at=certificate.not_valid_after_utc,
    )


def _alternatives(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _common_names(certificate: x509.Certificate) -> tuple[str, ...]:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return tuple(str(attribute.value) for attribute in found)


def _is_servers(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in usages
