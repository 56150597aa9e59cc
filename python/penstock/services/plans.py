"""From a connection's ``env`` to where a session leads and what it logs in with."""

import re
from collections.abc import Callable, Mapping

from penstock.domain.addresses import Address, is_host, parse_port
from penstock.domain.connection import Connection, ConnectionType
from penstock.domain.errors import malformed
from penstock.domain.plan import PostgresLogin, Target, TcpTarget, UnixTarget

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SSL_NEGOTIATIONS = ("postgres", "direct")
# libpq, §32.1.2: weaker modes could fall back to what was never asked for.
_DIRECT_MODES = ("require", "verify-ca", "verify-full")
_MAX_VALUE = 16_384
_PATH = re.compile(r"/[^\x00-\x1f\x7f]{0,106}")


def _host(value: str) -> str | None:
    if value.startswith("/"):
        return None if _PATH.fullmatch(value) else "is not the path of a socket"
    return None if is_host(value) else "is neither a host name, an address nor a path"


def _port(value: str) -> str | None:
    try:
        parse_port(value, lowest=1)
    except ValueError as error:
        return str(error).removeprefix(f"{value!r} ")
    return None


def _text(value: str) -> str | None:
    return "holds a zero byte" if "\0" in value else None


def _ssl_mode(value: str) -> str | None:
    return None if value in SSL_MODES else f"is none of {', '.join(SSL_MODES)}"


def _ssl_negotiation(value: str) -> str | None:
    return None if value in SSL_NEGOTIATIONS else f"is none of {', '.join(SSL_NEGOTIATIONS)}"


def _root_certificate(value: str) -> str | None:
    return None if "-----BEGIN CERTIFICATE-----" in value else "is not a certificate in PEM"


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "HOST": _host,
    "PORT": _port,
    "USER": _text,
    "PASS": _text,
    "DB": _text,
    "SSLMODE": _ssl_mode,
    "SSLNEGOTIATION": _ssl_negotiation,
    "SSLROOTCERT": _root_certificate,
}
_KNOWN: dict[ConnectionType, tuple[str, ...]] = {
    ConnectionType.POSTGRES: tuple(_CHECKS),
    ConnectionType.TCP: ("HOST", "PORT"),
}
_NEEDED: dict[ConnectionType, tuple[str, ...]] = {
    ConnectionType.POSTGRES: ("HOST", "USER"),
    ConnectionType.TCP: ("HOST", "PORT"),
}


def check_env(kind: ConnectionType, env: Mapping[str, str]) -> dict[str, str]:
    """The ``env`` with upper-case keys. Raises ``malformed`` naming the key, never a value of a secret."""
    values = {key.upper(): value for key, value in env.items()}
    for key, value in values.items():
        if key not in _KNOWN[kind]:
            raise malformed(f"a {kind} connection has no {key}", hint=f"it has {', '.join(_KNOWN[kind])}")
        wrong = _CHECKS[key](value) if len(value) <= _MAX_VALUE else f"is longer than {_MAX_VALUE} characters"
        if wrong is not None:
            raise malformed(f"{key} {wrong}", hint=f"give it as -e {key}=...")
    for key in _NEEDED[kind]:
        if not values.get(key):
            raise malformed(f"a {kind} connection needs {key}", hint=f"add -e {key}=...")
    if values.get("SSLNEGOTIATION") == "direct" and values.get("SSLMODE") not in _DIRECT_MODES:
        raise malformed(
            "SSLNEGOTIATION=direct needs an SSLMODE that insists on TLS",
            hint=f"add -e SSLMODE=..., one of {', '.join(_DIRECT_MODES)}",
        )
    return values


def target(connection: Connection) -> Target:
    """Where a session on this connection leads, as its agent sees it."""
    host, port = connection.env["HOST"], connection.env.get("PORT") or "5432"
    if not host.startswith("/"):
        return TcpTarget(str(Address(host, int(port))))
    if connection.type is ConnectionType.POSTGRES:
        return UnixTarget(f"{host}/.s.PGSQL.{port}")  # PostgreSQL, libpq, §32.1.2, host
    return UnixTarget(host)


def login(connection: Connection) -> PostgresLogin | None:
    """What a session on this connection logs in with; None if it is not for us to log in."""
    if connection.type is not ConnectionType.POSTGRES:
        return None
    env = connection.env
    return PostgresLogin(
        user=env["USER"],
        database=env.get("DB") or env["USER"],
        sslmode=env.get("SSLMODE") or "prefer",
        password=env.get("PASS"),
        sslrootcert=env.get("SSLROOTCERT"),
        sslnegotiation=env.get("SSLNEGOTIATION") or "postgres",
    )
