"""The gateway's own CA."""

import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store
from penstock.domain.errors import PenstockError
from penstock.identity.pki import LEAF_LIFE, OwnAuthority, ServerIdentity

from tests.unit.world import ManualClock

NAMES = ["localhost", "127.0.0.1", "::1", "gw.example"]


def _chain(identity: ServerIdentity) -> tuple[x509.Certificate, x509.Certificate]:
    leaf, ca = x509.load_pem_x509_certificates(identity.chain_pem.encode())
    return leaf, ca


def test_the_leaf_verifies_against_the_ca_for_every_name(tmp_path: Path) -> None:
    clock = ManualClock()
    leaf, ca = _chain(OwnAuthority(tmp_path, clock).identity(NAMES))
    builder = PolicyBuilder().store(Store([ca])).time(clock.now())
    for name in ("localhost", "gw.example"):
        builder.build_server_verifier(x509.DNSName(name)).verify(leaf, [])
    sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in sans.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_the_pin_is_the_digest_of_the_ca_and_stays(tmp_path: Path) -> None:
    first = OwnAuthority(tmp_path, ManualClock()).identity(NAMES)
    _, ca = _chain(first)
    assert first.ca_pin == "sha256:" + hashlib.sha256(ca.public_bytes(Encoding.DER)).hexdigest()
    assert OwnAuthority(tmp_path, ManualClock()).identity(NAMES) == first
    assert first.key_pem not in repr(first)


def test_key_files_are_private_and_loadable_by_tls(tmp_path: Path) -> None:
    OwnAuthority(tmp_path, ManualClock()).identity(NAMES)
    for name in ("ca/ca.key", "server.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")


def test_the_leaf_is_renewed_for_other_names_and_before_it_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    authority = OwnAuthority(tmp_path, clock)
    leaf, ca = _chain(authority.identity(NAMES))
    renamed, same = _chain(authority.identity([*NAMES, "other.example"]))
    assert (renamed != leaf, same) == (True, ca)
    clock.time += LEAF_LIFE
    renewed, still = _chain(authority.identity([*NAMES, "other.example"]))
    assert (renewed != renamed, still) == (True, ca)
    assert renewed.not_valid_after_utc > clock.now()


def test_a_leaf_that_a_crash_left_half_written_is_made_anew(tmp_path: Path) -> None:
    authority = OwnAuthority(tmp_path, ManualClock())
    leaf, ca = _chain(authority.identity(NAMES))
    (tmp_path / "server.key").write_bytes((tmp_path / "ca" / "ca.key").read_bytes())
    again, same = _chain(authority.identity(NAMES))
    assert (again != leaf, same) == (True, ca)


def test_a_broken_ca_is_not_silently_replaced(tmp_path: Path) -> None:
    authority = OwnAuthority(tmp_path, ManualClock())
    authority.identity(NAMES)
    (tmp_path / "ca" / "ca.key").write_text("garbage")
    with pytest.raises(PenstockError, match="cannot be used") as refused:
        authority.identity(NAMES)
    assert "backup" in str(refused.value.hint)
