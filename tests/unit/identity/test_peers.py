"""The authority of the tunnel port's peers."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store
from penstock.domain.certificate import CertificateFiles, NewCertificate
from penstock.domain.errors import Code, PenstockError
from penstock.identity.peers import PeerAuthority

from tests.unit.world import ManualClock

YEAR = timedelta(days=365)


def _authority(home: Path, clock: ManualClock | None = None) -> PeerAuthority:
    return PeerAuthority(home, clock or ManualClock())


def _leaf(issued: CertificateFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.cert.read_bytes())


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    assert not _authority(tmp_path / "home").exists
    first = _authority(tmp_path / "home").init()
    before = first.path.read_bytes()
    again = _authority(tmp_path / "home").init()
    assert (first.made, again.made, first.pin) == (True, False, again.pin)
    assert first.path == tmp_path / "home" / "pki" / "ca.pem"
    assert first.path.read_bytes() == before
    for path, mode in (("pki", 0o700), ("pki/ca.key", 0o600)):
        assert (tmp_path / "home" / path).stat().st_mode & 0o777 == mode


def test_no_authority_has_the_name_of_another(tmp_path: Path) -> None:
    homes = (tmp_path / "a", tmp_path / "b")
    found = [x509.load_pem_x509_certificate(_authority(home).init().path.read_bytes()) for home in homes]
    assert found[0].subject != found[1].subject


def test_a_peers_certificate_verifies_and_is_no_servers(tmp_path: Path) -> None:
    clock = ManualClock()
    authority = _authority(tmp_path, clock)
    issued = authority.issue(NewCertificate("office", YEAR, ("spiffe://corp/office", "10.0.0.7")), None)
    assert (issued.cert, issued.key) == (tmp_path / "pki/peers/office.pem", tmp_path / "pki/peers/office.key")
    ca = x509.load_pem_x509_certificate(issued.authority.path.read_bytes())
    verifier = PolicyBuilder().store(Store([ca])).time(clock.now()).build_client_verifier()
    assert verifier.verify(_leaf(issued), []).chain[0] == _leaf(issued)
    # An address proves nobody.
    assert issued.certificate.names == ("office", "spiffe://corp/office")
    assert (issued.certificate.name, issued.certificate.server) == ("office", False)
    assert issued.certificate.expires_at == clock.now() + YEAR
    for path in (issued.key, issued.cert):
        assert path.stat().st_mode & 0o777 == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(issued.cert, issued.key)


def test_a_servers_certificate_is_for_its_hosts_and_proves_no_peer(tmp_path: Path) -> None:
    new = NewCertificate("edge.example", YEAR, ("*.edge.example", "::1"), server=True)
    leaf = _leaf(issued := _authority(tmp_path).issue(new, tmp_path / "out"))
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert issued.certificate.server
    assert issued.cert == tmp_path / "out" / "edge.example.pem"


def test_a_folder_that_is_shared_stays_so_and_files_are_not_overwritten(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    authority = _authority(tmp_path / "home")
    issued = authority.issue(NewCertificate("office", YEAR), shared)
    assert shared.stat().st_mode & 0o777 == 0o755
    before = issued.key.read_bytes()
    with pytest.raises(PenstockError, match="exists") as refused:
        authority.issue(NewCertificate("office", YEAR), shared)
    assert (refused.value.code, issued.key.read_bytes()) == (Code.CONFLICT, before)
    assert "--dir" in str(refused.value.hint)
    assert authority.issued() == [issued.certificate]


def test_what_was_issued_is_listed_and_read(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    assert authority.issued() == []
    second = authority.issue(NewCertificate("b", YEAR), None)
    first = authority.issue(NewCertificate("a", 2 * YEAR), None)
    assert authority.issued() == [first.certificate, second.certificate]
    assert authority.read(first.cert) == first.certificate
    for path in (first.key, tmp_path / "nothing", tmp_path):
        with pytest.raises(PenstockError, match="is not a certificate that can be read"):
            authority.read(path)


def test_no_certificate_outlives_the_authority(tmp_path: Path) -> None:
    clock = ManualClock()
    authority = _authority(tmp_path, clock)
    ends = authority.init().expires_at
    clock.turn(days=3000)
    assert authority.issue(NewCertificate("late", 10 * YEAR), None).certificate.expires_at == ends


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("", ()),
        ("../x", ()),
        ("a/b", ()),
        ("ö", ()),
        ("a", ("",)),
        ("a", ("no host",)),
        ("a", ("é.example",)),
    ],
)
def test_names_that_cannot_be_one_are_refused_and_nothing_is_made(
    tmp_path: Path, name: str, more: tuple[str, ...]
) -> None:
    with pytest.raises(PenstockError) as refused:
        _authority(tmp_path).issue(NewCertificate(name, YEAR, more), None)
    assert refused.value.code is Code.MALFORMED
    assert not (tmp_path / "pki").exists()


def test_the_tunnel_ports_leaf_is_made_and_renewed_by_the_same_authority(tmp_path: Path) -> None:
    clock = ManualClock()
    authority = _authority(tmp_path, clock)
    first = authority.server(["localhost"])
    assert authority.server(["localhost"]) == first
    assert first.ca_pin == authority.init().pin
    assert authority.server(["localhost", "gw.example"]).chain_pem != first.chain_pem
    clock.turn(days=700)
    renewed = authority.server(["localhost", "gw.example"])
    assert x509.load_pem_x509_certificate(renewed.chain_pem.encode()).not_valid_after_utc > clock.now() + YEAR


def test_a_broken_authority_is_not_silently_replaced(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    authority.init()
    (tmp_path / "pki" / "ca.key").write_text("garbage")
    for attempt in (authority.init, lambda: authority.server(["localhost"])):
        with pytest.raises(PenstockError, match="cannot be used") as refused:
            attempt()
        assert "backup" in str(refused.value.hint)
