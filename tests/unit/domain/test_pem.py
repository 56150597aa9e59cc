"""PEM in the environment."""

import base64

import pytest
from penstock.domain.pem import decode_pem

PEM = "-----BEGIN X-----\nAAAA\n-----END X-----\n"


def test_pem_and_base64_of_pem_are_the_same() -> None:
    encoded = base64.b64encode(PEM.encode()).decode()
    assert decode_pem(PEM) == decode_pem(encoded) == decode_pem(f"{encoded[:20]}\n{encoded[20:]} ") == PEM


@pytest.mark.parametrize(
    "text", ["", "!!", base64.b64encode(b"hello").decode(), base64.b64encode(b"\xff").decode()]
)
def test_anything_else_says_what_it_is_not(text: str) -> None:
    with pytest.raises(ValueError, match="PEM"):
        decode_pem(text)
