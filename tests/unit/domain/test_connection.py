"""Connections do not tell their secrets."""

from datetime import UTC, datetime

from penstock.domain.connection import Connection, ConnectionType


def test_secrets_are_neither_public_nor_in_the_repr() -> None:
    env = {"HOST": "db", "PASS": "hush", "api_token": "hush", "SSLKEY": "hush", "CLIENT_SECRET": "hush"}
    now = datetime.now(UTC)
    connection = Connection("1", "db", ConnectionType.POSTGRES, None, frozenset(), now, env)
    assert connection.public_env() == {key: "db" if key == "HOST" else "***" for key in env}
    assert "hush" not in repr(connection)
