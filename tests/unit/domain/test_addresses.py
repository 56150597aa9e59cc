"""Addresses as users write them."""

import pytest
from penstock.domain.addresses import Address, advertised_url, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8009", "127.0.0.1", 8009),
        ("[::1]:0", "::1", 0),
        ("db.internal:5432", "db.internal", 5432),
        ("my_service:1", "my_service", 1),
    ],
)
def test_what_is_an_address_reads_back(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "8009", ":8009", "host:", "host:65536", "host:-1", "::1:80", "a b:1", "h:٣", "-x-:1", "a..b:1"],
)
def test_what_is_none_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_address(text)


def test_an_advertised_url_has_a_scheme_a_host_and_nothing_private() -> None:
    assert advertised_url("https://gw.example:443/", ("https",)) == "https://gw.example:443"
    for bad in (
        "ftp://x",
        "https://",
        "https://u:p@x",
        "https://x/?a=1",
        "https://x/y",
        "https://x:99999",
        "x",
    ):
        with pytest.raises(ValueError, match=r".+"):
            advertised_url(bad, ("https",))
