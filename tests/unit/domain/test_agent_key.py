"""Agent keys."""

import pytest
from penstock.domain.agent_key import AgentKey, TunnelAddress
from penstock.domain.errors import PenstockError

PIN = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    "text",
    [
        "grpcs://db-agent:psa_x-y_z@gw.example:8010",
        f"grpcs://a:b@[::1]:443?ca={PIN}",
        "grpc://a:b@127.0.0.1:8010",
    ],
)
def test_a_key_reads_back(text: str) -> None:
    assert str(AgentKey.parse(f" {text}\n")) == text


def test_what_a_key_leaves_out_is_the_default() -> None:
    assert AgentKey.parse("grpcs://a:b@gw.example").url == "grpcs://gw.example:8010"
    assert AgentKey.parse("https://a:b@gw.example?mode=standard").url == "https://gw.example:443"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:topsecret@host",
        "ftp://a:topsecret@host",
        "grpcs://topsecret@host",
        "grpcs://a:topsecret@",
        "grpcs://a:topsecret@host:x",
        "grpcs://a:topsecret@host?ca=md5:1",
        "grpcs://%00:topsecret@host",
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(PenstockError) as refused:
        AgentKey.parse(text)
    assert "topsecret" not in str(refused.value)
    assert refused.value.hint


def test_a_key_does_not_show_its_secret() -> None:
    assert "hush" not in repr(AgentKey.parse("grpcs://a:hush@host"))


@pytest.mark.parametrize(
    ("text", "url", "pin"),
    [
        ("tls://gw.example", "tls://gw.example:8443", None),
        (f" tls://[::1]:443?ca={PIN}\n", "tls://[::1]:443", PIN),
    ],
)
def test_a_tunnel_ports_address_has_no_secret(text: str, url: str, pin: str | None) -> None:
    assert TunnelAddress.parse(text) == TunnelAddress(url, pin)


def test_another_scheme_is_no_tunnel_ports() -> None:
    assert TunnelAddress.parse("grpcs://a:b@c") is None


@pytest.mark.parametrize(
    "text", ["tls://", "tls://a:topsecret@host", "tls://host?ca=x", "tls://host:x", "tls://["]
)
def test_what_is_no_tunnel_ports_address_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(PenstockError) as refused:
        TunnelAddress.parse(text)
    assert "topsecret" not in str(refused.value)
    assert refused.value.hint
