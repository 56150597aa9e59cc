"""Settings: the environment first, then the file, and an error that says which."""

import base64
from pathlib import Path

import pytest
from penstock.domain.addresses import Address
from penstock.domain.errors import PenstockError
from penstock.settings import Settings, load, names, variables

PEM = "-----BEGIN X-----\nAAAA\n-----END X-----\n"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting but a home and a working directory."""
    for name in names():
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PENSTOCK_HOME", str(home))
    return home


def test_the_defaults_are_those_of_the_design(clean: Path) -> None:
    settings = load()
    assert settings.home == clean
    assert settings.listen(loopback=False) == (
        Address("0.0.0.0", 8009),
        Address("0.0.0.0", 8010),
        Address("127.0.0.1", 19000),
    )
    assert {address.host for address in settings.listen(loopback=True)} == {"127.0.0.1"}
    assert settings.tunnel(loopback=False) == Address("0.0.0.0", 8443)
    assert settings.tunnel(loopback=True) == Address("127.0.0.1", 8443)
    assert settings.tunnel_flavour == "swap"
    assert (settings.link_keepalive_seconds, settings.session_idle_seconds) == (15, 3600)
    assert (settings.admin_group, settings.log_encoding, settings.log_level) == ("admin", "json", "INFO")
    assert (settings.statement_bytes, settings.api_url, settings.postgres_db_uri) == (1048576, None, None)


def test_every_name_of_the_design_is_there() -> None:
    fixed = """HTTP_LISTEN GRPC_LISTEN ADMIN_LISTEN LINK_KEEPALIVE_SECONDS PENSTOCK_HOME PENSTOCK_ADMIN_EMAIL
    PENSTOCK_ADMIN_PASSWORD POSTGRES_DB_URI API_URL GRPC_URL TLS_KEY TLS_CERT TLS_CA LOG_ENCODING LOG_LEVEL
    LOG_GRPC PLUGIN_AUDIT_PATH STATIC_UI_PATH ORG_MULTI_TENANT ADMIN_USERNAME PENSTOCK_KEY HOOP_KEY HOOP_DSN
    TLS_SERVER_NAME TUNNEL_LISTEN TUNNEL_FLAVOUR"""
    assert set(fixed.split()) <= set(names())


def test_the_environment_is_above_the_file_and_overrides_above_both(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean / "penstock.toml").write_text('DRAIN_SECONDS = 1\nlog_level = "warn"\nLOG_GRPC = true\n')
    monkeypatch.setenv("LOG_LEVEL", "error")
    monkeypatch.setenv("LOG_GRPC", "")
    settings = load()
    assert (settings.drain_seconds, settings.log_level, settings.log_grpc) == (1, "ERROR", True)
    assert load({"LOG_LEVEL": "debug"}).log_level == "DEBUG"


def test_the_file_is_sought_at_home_and_then_here(clean: Path) -> None:
    Path("penstock.toml").write_text("DRAIN_SECONDS = 2")
    assert load().drain_seconds == 2
    (clean / "penstock.toml").write_text("LOG_GRPC = true")
    assert (load().drain_seconds, load().log_grpc) == (10, True)


@pytest.mark.parametrize("name", ["PENSTOCK_KEY", "HOOP_KEY", "HOOP_DSN"])
def test_an_agent_key_has_three_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "grpcs://a:b@c")
    key = load().key
    assert key is not None
    assert key.get_secret_value() == "grpcs://a:b@c"


def test_tls_material_may_be_base64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLS_KEY", base64.b64encode(PEM.encode()).decode())
    monkeypatch.setenv("TLS_CERT", PEM)
    settings = load()
    assert settings.tls_key is not None
    assert settings.tls_cert is not None
    assert settings.tls_key.get_secret_value() == settings.tls_cert.get_secret_value() == PEM


def test_tls_material_may_be_a_file(clean: Path) -> None:
    (clean / "x.pem").write_text(PEM)
    for value in (str(clean / "x.pem"), "../home/x.pem"):
        key = load({"TLS_KEY": value}).tls_key
        assert key is not None
        assert key.get_secret_value() == PEM


def test_an_allow_list_is_separated_by_commas(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_ALLOW", "db:5432, 10.0.0.0/8:*,,unix:/run/x ")
    assert load().allow == ("db:5432", "10.0.0.0/8:*", "unix:/run/x")
    monkeypatch.delenv("PENSTOCK_ALLOW")
    (clean / "penstock.toml").write_text('PENSTOCK_ALLOW = ["a:1", "b:2"]')
    assert load().allow == ("a:1", "b:2")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_LISTEN", "8009"),
        ("GRPC_LISTEN", "host:99999"),
        ("API_URL", "gw.example"),
        ("GRPC_URL", "grpcs://user:pass@gw"),
        ("TLS_KEY", "not pem"),
        ("TLS_CERT", "/no/such/file.pem"),
        ("TUNNEL_LISTEN", "8443"),
        ("TUNNEL_FLAVOUR", "vanilla"),
        ("LOG_LEVEL", "loud"),
        ("LOG_ENCODING", "xml"),
        ("LOG_GRPC", "perhaps"),
        ("GIN_MODE", "tonic"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("SESSION_IDLE_SECONDS", "0"),
        ("TOKEN_TTL_SECONDS", "soon"),
        ("LINK_KEEPALIVE_SECONDS", "-1"),
        ("DRAIN_SECONDS", "1.5"),
    ],
)
def test_a_bad_value_names_the_variable_where_it_is_from_and_what_it_means(
    name: str, value: str, clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PenstockError, match=f"{name} .from the command line") as refused:
        load({name: value})
    assert refused.value.hint == Settings.model_fields[names()[name]].description
    (clean / "penstock.toml").write_text(f'{name} = "{value}"')
    with pytest.raises(PenstockError, match=f"{name} .from .*penstock.toml"):
        load()
    monkeypatch.setenv(name, value)
    with pytest.raises(PenstockError, match=f"{name} .from the environment"):
        load()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("HTTP_LISTN = 'a:1'", "HTTP_LISTEN"),
        ("something = 1", "docs/reference/settings.md"),
        ("PENSTOCK_HOME = '/x'", "environment"),
        ("not toml", "NAME = value"),
    ],
)
def test_a_bad_file_says_what_to_do(text: str, hint: str, clean: Path) -> None:
    (clean / "penstock.toml").write_text(text)
    with pytest.raises(PenstockError, match=r"penstock\.toml") as refused:
        load()
    assert hint in str(refused.value.hint)


def test_secrets_are_neither_shown_nor_in_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PENSTOCK_KEY", "PENSTOCK_ADMIN_PASSWORD", "POSTGRES_DB_URI"):
        monkeypatch.setenv(name, "hush")
    settings = load()
    assert "hush" not in repr(settings)
    assert "hush" not in settings.model_dump_json()
    monkeypatch.setenv("TLS_KEY", "hush")
    with pytest.raises(PenstockError) as refused:
        load()
    assert "hush" not in str(refused.value)


def test_every_setting_is_documented() -> None:
    for field, info in Settings.model_fields.items():
        assert info.description, field
        assert variables(field)
