"""The gateway's login at the upstream: every method, every sslmode, and nothing of what the client says."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.e2e.stack.certificates import Authority
from tests.e2e.stack.clients import psql
from tests.e2e.stack.postgres import DATABASE, Postgres, SealedPostgres
from tests.e2e.stack.stack import AGENT, Stack

METHODS = ("scram", "md5", "password", "trust")
WHO = "SELECT current_user, current_database(), inet_client_addr() IS NULL"


def ask(stack: Stack, env: dict[str, str], agent: str | None = AGENT) -> dict[str, Any]:
    """What `exec` answers on a new connection with these settings: user, database, and whether the server was
    reached by its unix socket (which is where the TLS fronts come in); else the problem."""
    name = stack.connection(f"login-{uuid.uuid4().hex[:8]}", env, agent=agent)
    done = stack.cli.run("exec", name, "-i", WHO, "-o", "json")
    if done.code:
        return done.problem
    [[row]] = [done.json]
    [user, database, local] = row.values()
    return {"user": user, "database": database, "local": local}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_without_tls(stack: Stack, postgres: Postgres, method: str) -> None:
    """Over plain TCP, as `SSLMODE=disable` says."""
    found = ask(stack, postgres.env(method))
    assert found == {"user": method, "database": DATABASE, "local": False}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_over_tls(stack: Stack, postgres: Postgres, sealed: SealedPostgres, method: str) -> None:
    """With the certificate and its name checked."""
    env = postgres.env(method, HOST="localhost", PORT=str(sealed.port))
    found = ask(stack, {**env, "SSLMODE": "verify-full", "SSLROOTCERT": sealed.authority.pem})
    assert found == {"user": method, "database": DATABASE, "local": True}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_on_a_unix_socket(stack: Stack, postgres: Postgres, method: str) -> None:
    """A HOST that begins with / is a folder with a socket, reached by the agent."""
    found = ask(stack, postgres.env(method, HOST=str(postgres.socket_folder), SSLMODE="prefer"))
    assert found == {"user": method, "database": DATABASE, "local": True}


@pytest.mark.parametrize(
    ("mode", "accepted"), [("disable", False), ("allow", True), ("prefer", True), ("require", True)]
)
def test_a_server_that_wants_tls(
    stack: Stack, postgres: Postgres, sealed: SealedPostgres, mode: str, accepted: bool
) -> None:
    """`sealed` may log in over TLS alone: `allow` finds that out by trying, `disable` may not try."""
    found = ask(stack, postgres.env("sealed", PORT=str(sealed.port), SSLMODE=mode))
    assert (found.get("user") == "sealed") == accepted, found
    if not accepted:
        assert "pg_hba.conf rejects connection" in found["detail"]


@pytest.mark.parametrize("mode", ["allow", "prefer"])
def test_a_server_without_tls_is_taken_as_it_is(stack: Stack, postgres: Postgres, mode: str) -> None:
    """`allow` and `prefer` do without."""
    assert ask(stack, postgres.env(SSLMODE=mode))["user"] == "scram"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_server_without_tls_is_refused(stack: Stack, postgres: Postgres, mode: str) -> None:
    """The modes that insist on TLS say what is missing."""
    refused = ask(stack, postgres.env(SSLMODE=mode))
    assert "does not offer TLS" in refused["detail"] and "SSLMODE" in refused["hint"]


@pytest.mark.parametrize(
    ("mode", "accepted"), [("require", False), ("verify-ca", False), ("verify-full", False), ("prefer", True)]
)
def test_a_certificate_of_an_unknown_ca(
    stack: Stack, postgres: Postgres, sealed: SealedPostgres, mode: str, accepted: bool
) -> None:
    """With a root given even `require` checks it (libpq, §32.19.3); `prefer` encrypts and believes."""
    env = postgres.env("sealed", PORT=str(sealed.port), SSLMODE=mode, SSLROOTCERT=Authority("Another").pem)
    found = ask(stack, env)
    assert (found.get("user") == "sealed") == accepted, found
    if not accepted:
        assert "UnknownIssuer" in found["detail"] and "SSLROOTCERT" in found["hint"]


@pytest.mark.parametrize(("mode", "accepted"), [("verify-ca", True), ("verify-full", False)])
def test_a_certificate_for_another_name(
    stack: Stack, postgres: Postgres, sealed: SealedPostgres, mode: str, accepted: bool
) -> None:
    """Only `verify-full` looks at the name."""
    env = postgres.env("sealed", HOST="localhost", PORT=str(sealed.misnamed_port), SSLMODE=mode)
    found = ask(stack, {**env, "SSLROOTCERT": sealed.authority.pem})
    assert (found.get("user") == "sealed") == accepted, found
    if not accepted:
        assert 'not valid for name "localhost"' in found["detail"] and "SSLROOTCERT" in found["hint"]


def test_a_password_in_clear_never_leaves_for_a_server_that_tls_was_wanted_of(
    stack: Stack, postgres: Postgres
) -> None:
    """`prefer` on a server without TLS that asks for the password itself: refused, for anybody could ask."""
    refused = ask(stack, postgres.env("password", SSLMODE="prefer"))
    assert "in clear text over an unencrypted connection" in refused["detail"]
    assert "SSLMODE" in refused["hint"]


def test_the_gateway_reaches_it_by_itself(stack: Stack, postgres: Postgres) -> None:
    """A connection without an agent."""
    assert ask(stack, postgres.env(), agent=None)["user"] == "scram"


@pytest.mark.parametrize(
    "said",
    [
        {"user": "postgres", "dbname": "postgres", "password": "guess"},
        {"user": "banned", "dbname": "template1"},
        {"user": "x" * 200, "dbname": "y' OR 1"},
    ],
)
def test_what_the_client_names_is_noted_and_not_used(
    stack: Stack, application: str, said: dict[str, str]
) -> None:
    """The connection's own user, password and database, always."""
    where = {"host": "127.0.0.1", "port": str(stack.forward("db").port), "application_name": application}
    with psycopg.connect(make_conninfo(**where, **said)) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("scram", DATABASE)
    session = stack.api.session(application)
    assert session["client"]["user"] == said["user"]
    assert session["client"]["database"] == said["dbname"]


def test_clients_may_ask_for_tls_and_gss(stack: Stack, application: str) -> None:
    """The way to the gateway is encrypted already: `prefer` goes on without, `require` says so."""
    port = str(stack.forward("db").port)
    where = make_conninfo(host="127.0.0.1", port=port, user="x", application_name=application)
    with psycopg.connect(where, sslmode="prefer", gssencmode="prefer") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="server does not support SSL"):
        psycopg.connect(where, sslmode="require")
    assert len(stack.api.sessions(application)) == 1


def test_harmless_start_up_parameters_reach_the_server(stack: Stack, application: str) -> None:
    """Time zone, encoding and the like hold, as without us."""
    variables = {"PGTZ": "Asia/Tokyo", "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1"}
    shown = (
        "SELECT current_setting('TimeZone'), current_setting('DateStyle'), current_setting('client_encoding')"
    )
    arguments = ("-Atc", shown, "-c", "SELECT length('\u00e4')")
    done = psql(stack.forward("db").port, application, *arguments, variables=variables)
    assert done.out.splitlines() == ["Asia/Tokyo|German, DMY|LATIN1", "2"], done


@pytest.mark.parametrize(
    ("parameter", "value", "state"),
    [
        ("options", "-c role=postgres", "0A000"),
        ("role", "postgres", "42501"),
        ("session_authorization", "postgres", "42501"),
        ("replication", "database", "0A000"),
    ],
)
def test_start_up_parameters_that_change_who_one_is_are_refused(
    stack: Stack, application: str, parameter: str, value: str, state: str
) -> None:
    """Before anything is opened upstream, with what to do instead."""
    settings = {"application_name": application, parameter: value}
    with pytest.raises(asyncpg.PostgresError) as refused:
        asyncio.run(
            asyncpg.connect(
                host="127.0.0.1", port=stack.forward("db").port, user="x", server_settings=settings
            )
        )
    assert refused.value.sqlstate == state
    assert parameter in str(refused.value) and refused.value.hint
    assert stack.api.sessions(application) == []
