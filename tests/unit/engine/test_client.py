"""A client behind its façade."""

import pytest
from penstock.domain.errors import PenstockError
from penstock.engine.client import Client


@pytest.mark.parametrize(
    "settings", [{}, {"url": "nonsense", "token": "t"}, {"url": "grpc://gw.example:1", "token": "t"}]
)
def test_what_a_client_cannot_use_is_an_error_of_ours(settings: dict[str, str]) -> None:
    with pytest.raises(PenstockError):
        Client(settings)


def test_a_gateway_that_is_not_there_is_an_error_of_ours() -> None:
    client = Client({"url": "grpc://127.0.0.1:1", "token": "t"})
    try:
        with pytest.raises(PenstockError):
            client.check("db")
        assert client.notices(0.01) is None
        assert client.forward("db", "127.0.0.1:0").startswith("127.0.0.1:")
    finally:
        client.shutdown()
