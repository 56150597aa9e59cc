"""Which addresses are advertised, and with which pin."""

import pytest
from penstock.domain.addresses import Address
from penstock.services.server import Advertised, ServerInfo, describe_server


def _describe(
    api_url: str | None = None,
    grpc_url: str | None = None,
    pin: bool | None = None,
    host: str = "0.0.0.0",
    own: bool = True,
) -> ServerInfo:
    ca, ca_pin = ("PEM", "sha256:1") if own else (None, None)
    said = Advertised(api_url, grpc_url, pin)
    return describe_server("1", said, Address(host, 8009), Address(host, 8010), ca, ca_pin)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "localhost"), ("::", "localhost"), ("127.0.0.1", "localhost"), ("10.0.0.1", "10.0.0.1")],
)
def test_unless_told_the_listen_address_is_advertised(host: str, shown: str) -> None:
    server = _describe(host=host)
    assert (server.api_url, server.grpc_url) == (f"https://{shown}:8009", f"grpcs://{shown}:8010")
    assert (server.api_ca_pin, server.grpc_ca_pin) == ("sha256:1", "sha256:1")


@pytest.mark.parametrize(
    ("api_url", "grpc_url"),
    [
        ("https://gw.example", "grpcs://gw.example:443"),
        ("https://gw.example:8009", "grpcs://gw.example:8009"),
        ("https://[2001:db8::1]", "grpcs://[2001:db8::1]:443"),
        ("http://gw.example", "grpc://gw.example:80"),
    ],
)
def test_where_the_api_is_there_is_grpc(api_url: str, grpc_url: str) -> None:
    server = _describe(api_url=api_url)
    assert (server.api_url, server.grpc_url) == (api_url, grpc_url)
    assert _describe(api_url=api_url, grpc_url="grpcs://other").grpc_url == "grpcs://other"


@pytest.mark.parametrize(
    ("grpc_url", "said", "pinned"),
    [
        ("grpcs://gw.example:8010", None, True),
        ("grpcs://gw.example:8009", None, True),
        ("grpcs://gw.example", None, True),
        ("grpcs://gw.example:443", None, False),
        ("https://gw.example", None, False),
        ("grpcs://gw.example:443", True, True),
        ("grpcs://gw.example:8010", False, False),
        ("grpc://gw.example:8010", True, False),
    ],
)
def test_the_pin_is_there_where_peers_meet_our_ca(grpc_url: str, said: bool | None, pinned: bool) -> None:
    assert _describe(grpc_url=grpc_url, pin=said).grpc_ca_pin == ("sha256:1" if pinned else None)


def test_without_a_ca_of_our_own_there_is_no_pin() -> None:
    assert _describe(own=False, pin=True).grpc_ca_pin is None
