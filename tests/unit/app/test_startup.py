"""What each part is told, and what keeps a gateway from starting."""

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from penstock.app.pki import peer_certificates
from penstock.app.startup import (
    agent_config,
    engine_config,
    first_admin,
    local_agent_config,
    public_config,
    refuse_what_is_not_there_yet,
    secure_cookies,
    server_identity,
    server_info,
    static_ui,
    tunnel_config,
)
from penstock.clock import SystemClock
from penstock.domain.certificate import CertificateFiles, NewCertificate
from penstock.domain.errors import PenstockError
from penstock.engine.gateway import Bound
from penstock.identity.peers import PeerAuthority
from penstock.settings import Settings, load, names

from tests.unit.world import ManualClock


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting but a home."""
    for name in names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))


def _load(**values: Any) -> Settings:
    return load(values)


def test_the_certificate_names_all_that_is_advertised(tmp_path: Path) -> None:
    settings = _load(API_URL="https://api.example", GRPC_URL="grpcs://grpc.example", HTTP_LISTEN="10.1.2.3:1")
    identity = server_identity(settings, tmp_path, standalone=False)
    leaf = x509.load_pem_x509_certificates(identity.chain_pem.encode())[0]
    sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dns = set(sans.get_values_for_type(x509.DNSName))
    addresses = {str(address) for address in sans.get_values_for_type(x509.IPAddress)}
    assert {"localhost", "api.example", "grpc.example"} <= dns
    assert {"127.0.0.1", "::1", "10.1.2.3"} <= addresses
    assert "0.0.0.0" not in addresses


def test_a_configured_certificate_is_used_and_half_of_one_is_refused(tmp_path: Path) -> None:
    own = server_identity(_load(), tmp_path, standalone=False)
    settings = _load(TLS_CERT=own.chain_pem, TLS_KEY=own.key_pem)
    configured = server_identity(settings, tmp_path, standalone=False)
    assert (configured.chain_pem, configured.ca_pem) == (own.chain_pem, None)
    with pytest.raises(PenstockError, match="belong together"):
        server_identity(_load(TLS_KEY=own.key_pem), tmp_path, standalone=False)


def test_the_engine_is_told_where_to_listen(tmp_path: Path) -> None:
    identity = server_identity(_load(), tmp_path, standalone=True)
    config = engine_config(_load(), identity, tmp_path / "api.sock", standalone=True)
    assert str(config.http_listen) == "127.0.0.1:8009"
    assert '"grpc_listen": "127.0.0.1:8010"' in config.as_json()
    assert "PRIVATE KEY" in config.as_json()
    assert "PRIVATE KEY" not in repr(config)


def test_every_limit_of_the_engine_is_a_setting(tmp_path: Path) -> None:
    limits = {
        "connections": 11,
        "handshake_seconds": 12,
        "client_streams": 13,
        "header_fields": 17,
        "header_bytes": 9_000,
        "resets_per_minute": 18,
    }
    settings = _load(**{f"LIMIT_{name.upper()}": str(value) for name, value in limits.items()})
    identity = server_identity(settings, tmp_path, standalone=True)
    config = engine_config(settings, identity, tmp_path / "api.sock", standalone=True)
    assert asdict(config.limits) == limits
    assert limits.items() <= json.loads(config.as_json()).items()


def test_the_server_describes_itself_by_its_bound_ports(tmp_path: Path) -> None:
    identity = server_identity(_load(), tmp_path, standalone=True)
    server = server_info(_load(), identity, Bound("127.0.0.1:1234", "127.0.0.1:1235", None))
    assert (server.api_url, server.grpc_url) == ("https://localhost:1234", "grpcs://localhost:1235")
    assert server.grpc_ca_pin == identity.ca_pin


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"PENSTOCK_ADMIN_EMAIL": "a@b.example"}, "belong together"),
        ({"PENSTOCK_ADMIN_PASSWORD": "hush-hush"}, "belong together"),
        ({"PENSTOCK_ADMIN_EMAIL": "nonsense", "PENSTOCK_ADMIN_PASSWORD": "hush-hush"}, "e-mail"),
        ({"PENSTOCK_ADMIN_EMAIL": "a@b.example", "PENSTOCK_ADMIN_PASSWORD": "hush"}, "8 to 1024"),
    ],
)
def test_half_a_first_admin_is_refused(values: dict[str, str], message: str) -> None:
    with pytest.raises(PenstockError, match=message) as refused:
        first_admin(_load(**values))
    assert "PENSTOCK_ADMIN" in refused.value.message
    assert "hush" not in refused.value.message


def test_a_whole_first_admin_is_taken() -> None:
    assert first_admin(_load()) == (None, None)
    values = {"PENSTOCK_ADMIN_EMAIL": "A@b.example", "PENSTOCK_ADMIN_PASSWORD": "hush-hush"}
    assert first_admin(_load(**values)) == ("a@b.example", "hush-hush")


@pytest.mark.parametrize(
    ("name", "value"), [("POSTGRES_DB_URI", "postgres://u:hush@h/d"), ("ORG_MULTI_TENANT", "true")]
)
def test_what_does_not_work_yet_is_not_ignored(name: str, value: str) -> None:
    refuse_what_is_not_there_yet(_load())
    with pytest.raises(PenstockError, match=name) as refused:
        refuse_what_is_not_there_yet(_load(**{name: value}))
    assert "hush" not in refused.value.message


def test_a_web_app_has_an_index(tmp_path: Path) -> None:
    assert static_ui(_load()) is None
    with pytest.raises(PenstockError, match="STATIC_UI_PATH"):
        static_ui(_load(STATIC_UI_PATH=str(tmp_path)))
    (tmp_path / "index.html").write_text("")
    assert static_ui(_load(STATIC_UI_PATH=str(tmp_path))) == tmp_path


def test_an_agent_needs_its_key() -> None:
    with pytest.raises(PenstockError, match="PENSTOCK_KEY is not set") as refused:
        agent_config(_load())
    assert "create agent" in str(refused.value.hint)
    config = agent_config(_load(PENSTOCK_KEY="grpcs://a:hush@gw.example", PENSTOCK_ALLOW="db:1"))
    assert (config.key.url, config.key.name, config.allow) == ("grpcs://gw.example:8010", "a", ("db:1",))
    assert "hush" not in repr(config)
    assert '"secret": "hush"' in config.as_json()


@pytest.mark.parametrize(
    ("bound", "dialled"),
    [
        ("127.0.0.1:8010", "grpc://127.0.0.1:8010"),
        ("0.0.0.0:8010", "grpc://127.0.0.1:8010"),
        ("[::]:8010", "grpc://[::1]:8010"),
        ("10.0.0.1:8010", "grpc://10.0.0.1:8010"),
    ],
)
def test_the_agent_of_standalone_dials_its_own_process(bound: str, dialled: str) -> None:
    config = local_agent_config(_load(), Bound("x", bound, None), "psa_x")
    assert (config.key.url, config.key.name, config.insecure) == (dialled, "local", True)


def test_a_tunnel_port_is_opened_when_it_is_asked_for_or_somebody_may_dial_it(tmp_path: Path) -> None:
    assert tunnel_config(_load(), tmp_path, standalone=False) is None
    asked = tunnel_config(_load(TUNNEL_LISTEN="10.1.2.3:9"), tmp_path, standalone=False)
    assert asked is not None
    assert (str(asked.listen), asked.client_ca_pem) == ("10.1.2.3:9", (tmp_path / "pki/ca.pem").read_text())
    default = tunnel_config(_load(), tmp_path, standalone=True)
    assert default is not None
    assert str(default.listen) == "127.0.0.1:8443"
    assert "PRIVATE KEY" not in repr(default)


def test_a_public_port_brings_the_tunnel_port_that_workers_dial(tmp_path: Path) -> None:
    assert public_config(_load()) is None
    settings = _load(PUBLIC_LISTEN="0.0.0.0:8080")
    tunnel, public = tunnel_config(settings, tmp_path, standalone=False), public_config(settings)
    assert tunnel is not None
    assert public is not None
    assert str(tunnel.listen) == "0.0.0.0:8443"
    assert public.as_shape() == {"listen": "0.0.0.0:8080", "tls": None}


def test_a_public_port_may_end_tls(tmp_path: Path) -> None:
    own = server_identity(_load(), tmp_path, standalone=False)
    values = {"PUBLIC_LISTEN": "0.0.0.0:443", "PUBLIC_TLS_CERT": own.chain_pem}
    with pytest.raises(PenstockError, match="belong together"):
        public_config(_load(**values))
    public = public_config(_load(**values, PUBLIC_TLS_KEY=own.key_pem))
    assert public is not None
    assert public.as_shape()["tls"] == {"cert_pem": own.chain_pem, "key_pem": own.key_pem}
    assert "PRIVATE KEY" not in repr(public)


@pytest.mark.parametrize("name", ["TRUSTED_PROXIES", "PUBLIC_TRUSTED"])
def test_every_port_believes_the_same_proxies(tmp_path: Path, name: str) -> None:
    settings = _load(**{name: "10.0.0.0/8, 192.0.2.1,fd00::/8"})
    identity = server_identity(settings, tmp_path, standalone=False)
    config = engine_config(settings, identity, tmp_path / "api.sock", standalone=False)
    assert json.loads(config.as_json())["trusted"] == ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]
    assert json.loads(engine_config(_load(), identity, tmp_path, standalone=False).as_json())["trusted"] == []


@pytest.mark.parametrize("network", ["10.0.0.0/33", "10.0.0.1/8", "proxy.example", "*", "10.0.0.1-9"])
def test_networks_are_networks(network: str) -> None:
    with pytest.raises(PenstockError, match="TRUSTED_PROXIES") as refused:
        _load(TRUSTED_PROXIES=network)
    assert network in refused.value.message
    assert "CIDR" in (refused.value.hint or "")


def test_cookies_are_secure_where_the_operator_says_https() -> None:
    assert not secure_cookies(_load())
    assert not secure_cookies(_load(API_URL="http://gw.example"))
    assert secure_cookies(_load(API_URL="https://gw.example"))


def _hosts(chain_pem: str) -> set[x509.GeneralName]:
    leaf = x509.load_pem_x509_certificate(chain_pem.encode())
    return set(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def test_the_tunnel_port_is_named_as_the_others_are(tmp_path: Path) -> None:
    settings = _load(API_URL="https://api.example", TUNNEL_LISTEN="10.1.2.3:9")
    identity = server_identity(settings, tmp_path, standalone=False)
    tunnel = tunnel_config(settings, tmp_path, standalone=False)
    assert tunnel is not None
    assert _hosts(tunnel.chain_pem) == _hosts(identity.chain_pem)
    configured = _load(TUNNEL_LISTEN="10.1.2.3:9", TLS_CERT=identity.chain_pem, TLS_KEY=identity.key_pem)
    again = tunnel_config(configured, tmp_path, standalone=False)
    assert again is not None
    assert x509.DNSName("api.example") in _hosts(again.chain_pem)


def _issued(home: Path, name: str = "office") -> CertificateFiles:
    return peer_certificates(home).issue(NewCertificate(name, timedelta(days=1)), None)


def test_an_agent_on_a_tunnel_port_is_named_by_its_certificate(tmp_path: Path) -> None:
    issued = _issued(tmp_path)
    values = {"TLS_CERT": str(issued.cert), "TLS_KEY": str(issued.key), "TUNNEL_FLAVOUR": "RH2"}
    config = agent_config(_load(PENSTOCK_KEY=f"tls://gw.example?ca={issued.authority.pin}", **values))
    assert (config.key.name, config.key.url, config.key.secret) == ("office", "tls://gw.example:8443", "")
    assert config.key.ca_pin == issued.authority.pin
    assert config.certificate is not None
    assert (config.certificate.chain_pem, config.certificate.flavour) == (issued.cert.read_text(), "rh2")


def test_an_agent_on_a_tunnel_port_needs_a_certificate_that_fits(tmp_path: Path) -> None:
    issued, other = _issued(tmp_path), _issued(tmp_path, "other")
    wrong = [
        ({}, "TLS_CERT or TLS_KEY is not set"),
        ({"TLS_CERT": str(issued.cert)}, "TLS_CERT or TLS_KEY is not set"),
        ({"TLS_CERT": str(issued.cert), "TLS_KEY": str(other.key)}, "TLS_KEY is not the key"),
    ]
    for values, message in wrong:
        with pytest.raises(PenstockError, match=message) as refused:
            agent_config(_load(PENSTOCK_KEY="tls://gw.example", **values))
        assert refused.value.hint


def test_an_agents_certificate_that_has_expired_is_told_at_once(tmp_path: Path) -> None:
    clock = ManualClock()
    clock.time = SystemClock().now() - timedelta(days=2)
    issued = PeerAuthority(tmp_path, clock).issue(NewCertificate("office", timedelta(days=1)), None)
    values = {"TLS_CERT": str(issued.cert), "TLS_KEY": str(issued.key)}
    with pytest.raises(PenstockError, match="expired on") as refused:
        agent_config(_load(PENSTOCK_KEY="tls://gw.example", **values))
    assert "pki issue office" in str(refused.value.hint)
