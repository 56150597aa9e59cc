"""Certificates from elsewhere."""

from pathlib import Path

import pytest
from penstock.domain.errors import PenstockError
from penstock.identity.pki import OwnAuthority, ServerIdentity
from penstock.identity.tls_material import configured_hosts, configured_identity, configured_peer

from tests.unit.world import ManualClock


@pytest.fixture
def own(tmp_path: Path) -> ServerIdentity:
    """Something to configure."""
    return OwnAuthority(tmp_path, ManualClock()).identity(["localhost"])


def test_the_ca_closes_the_chain_once(own: ServerIdentity) -> None:
    ca, leaf = str(own.ca_pem), own.chain_pem.removesuffix(str(own.ca_pem))
    for chain in (leaf, own.chain_pem):
        identity = configured_identity(chain, own.key_pem, ca)
        assert identity.chain_pem == own.chain_pem
        assert identity.ca_pin is None
    assert configured_identity(leaf, own.key_pem, None).chain_pem == leaf


def test_what_does_not_fit_names_its_setting(own: ServerIdentity, tmp_path: Path) -> None:
    other = OwnAuthority(tmp_path / "other", ManualClock())
    (tmp_path / "other").mkdir()
    stranger = other.identity(["localhost"])
    wrong = [
        ("TLS_CERT", own.key_pem, own.key_pem, None),
        ("TLS_KEY", own.chain_pem, own.chain_pem, None),
        ("TLS_KEY is not the key", own.chain_pem, stranger.key_pem, None),
        ("TLS_CA", own.chain_pem, own.key_pem, own.key_pem),
    ]
    for setting, cert, key, ca in wrong:
        with pytest.raises(PenstockError, match=setting) as refused:
            configured_identity(cert, key, ca)
        assert "PRIVATE KEY" not in str(refused.value)


def test_what_is_configured_tells_its_hosts_and_its_holder(own: ServerIdentity) -> None:
    assert configured_hosts(own.chain_pem) == ("localhost",)
    assert configured_peer(own.chain_pem).name == "Penstock gateway"
    with pytest.raises(PenstockError, match="TLS_CERT"):
        configured_peer(own.key_pem)
