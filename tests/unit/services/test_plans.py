"""From env to plan."""

import pytest
from penstock.domain.connection import Connection, ConnectionType
from penstock.domain.errors import Code, PenstockError
from penstock.domain.plan import PostgresLogin, Target, TcpTarget, UnixTarget
from penstock.services.plans import check_env, login, target

from tests.unit.world import NOON

POSTGRES, TCP = ConnectionType.POSTGRES, ConnectionType.TCP
PEM = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"


def _connection(kind: ConnectionType, env: dict[str, str]) -> Connection:
    return Connection("1", "db", kind, None, frozenset(), NOON, check_env(kind, env))


@pytest.mark.parametrize(
    ("kind", "env", "expected"),
    [
        (POSTGRES, {"HOST": "db", "USER": "u"}, TcpTarget("db:5432")),
        (POSTGRES, {"host": "::1", "port": "6432", "user": "u"}, TcpTarget("[::1]:6432")),
        (POSTGRES, {"HOST": "/run/pg", "USER": "u"}, UnixTarget("/run/pg/.s.PGSQL.5432")),
        (POSTGRES, {"HOST": "/run/pg", "PORT": "1", "USER": "u"}, UnixTarget("/run/pg/.s.PGSQL.1")),
        (TCP, {"HOST": "10.0.0.1", "PORT": "22"}, TcpTarget("10.0.0.1:22")),
        (TCP, {"HOST": "/run/x.sock", "PORT": "1"}, UnixTarget("/run/x.sock")),
    ],
)
def test_targets(kind: ConnectionType, env: dict[str, str], expected: Target) -> None:
    assert target(_connection(kind, env)) == expected


def test_logins() -> None:
    full = {"HOST": "db", "USER": "u", "PASS": "p", "DB": "d", "SSLMODE": "verify-full", "SSLROOTCERT": PEM}
    assert login(_connection(POSTGRES, full)) == PostgresLogin("u", "d", "verify-full", "p", PEM)
    bare = login(_connection(POSTGRES, {"HOST": "db", "USER": "u"}))
    assert bare == PostgresLogin("u", "u", "prefer", None, None)
    assert login(_connection(TCP, {"HOST": "db", "PORT": "1"})) is None


@pytest.mark.parametrize(
    ("kind", "env", "key"),
    [
        (POSTGRES, {"USER": "u"}, "HOST"),
        (POSTGRES, {"HOST": "db"}, "USER"),
        (POSTGRES, {"HOST": "db", "USER": "u", "PASSWORD": "hush"}, "PASSWORD"),
        (POSTGRES, {"HOST": "db:5432", "USER": "u"}, "HOST"),
        (POSTGRES, {"HOST": "/run/\n", "USER": "u"}, "HOST"),
        (POSTGRES, {"HOST": "db", "PORT": "0", "USER": "u"}, "PORT"),
        (POSTGRES, {"HOST": "db", "PORT": "x", "USER": "u"}, "PORT"),
        (POSTGRES, {"HOST": "db", "USER": "u", "PASS": "hush\0"}, "PASS"),
        (POSTGRES, {"HOST": "db", "USER": "u", "PASS": "hush" * 5000}, "PASS"),
        (POSTGRES, {"HOST": "db", "USER": "u", "SSLMODE": "on"}, "SSLMODE"),
        (POSTGRES, {"HOST": "db", "USER": "u", "SSLNEGOTIATION": "now"}, "SSLNEGOTIATION"),
        (POSTGRES, {"HOST": "db", "USER": "u", "SSLNEGOTIATION": "direct"}, "SSLMODE"),
        (POSTGRES, {"HOST": "db", "USER": "u", "SSLROOTCERT": "/etc/ca.pem"}, "SSLROOTCERT"),
        (TCP, {"HOST": "db"}, "PORT"),
        (TCP, {"HOST": "db", "PORT": "1", "USER": "u"}, "USER"),
    ],
)
def test_what_leads_nowhere_is_refused_by_its_key(
    kind: ConnectionType, env: dict[str, str], key: str
) -> None:
    with pytest.raises(PenstockError, match=key) as refused:
        check_env(kind, env)
    assert refused.value.code is Code.MALFORMED
    assert refused.value.hint
    assert "hush" not in refused.value.message
