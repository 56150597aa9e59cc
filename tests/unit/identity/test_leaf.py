"""What a certificate says of its holder."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from penstock.identity.leaf import describe, host_names, leaf_names

from tests.unit.world import NOON


def _certificate(common_name: str | None, *alternatives: x509.GeneralName) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOON)
        .not_valid_after(NOON + timedelta(days=1))
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(key, hashes.SHA256())


def test_the_common_name_counts_only_where_there_is_no_other() -> None:
    both = _certificate(
        "cn", x509.DNSName("a"), x509.RFC822Name("b@c"), x509.UniformResourceIdentifier("d://e")
    )
    assert leaf_names(both) == ("a", "b@c", "d://e")
    assert describe(both).name == "cn"
    assert leaf_names(_certificate("cn")) == ("cn",)
    assert leaf_names(_certificate(None, x509.DNSName("a"))) == ("a",)


def test_hosts_are_names_and_addresses() -> None:
    import ipaddress

    address = x509.IPAddress(ipaddress.ip_address("::1"))
    assert host_names(_certificate("cn", x509.DNSName("a"), address, x509.RFC822Name("b@c"))) == ("a", "::1")


def test_a_certificate_that_names_nobody_is_none() -> None:
    with pytest.raises(ValueError, match="nobody"):
        describe(_certificate(None))
