"""What clients and load balancers say first, and what of it reaches the database."""

from __future__ import annotations

import socket
import struct
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.e2e.stack.clients import connect, program, psql, run
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import Stack

PROTOCOL_3_0, PROTOCOL_3_2 = 3 << 16, 3 << 16 | 2
CANCEL, TLS, GSS = (1234 << 16 | number for number in (5678, 5679, 5680))


def dial(port: int) -> socket.socket:
    """A bare connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def packet(code: int, body: bytes = b"") -> bytes:
    """One of the messages that have no type byte."""
    return struct.pack(">II", 8 + len(body), code) + body


def message(client: socket.socket) -> tuple[bytes, bytes]:
    """The next message: its type and its body."""
    kind, length = struct.unpack(">cI", exactly(client, 5))
    return kind, exactly(client, length - 4)


def exactly(client: socket.socket, count: int) -> bytes:
    """So many bytes."""
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        assert more, f"the connection ended after {data!r}"
        data += more
    return data


# What is answered to probes


def only_connects(client: socket.socket) -> None:
    """A check of layer 4."""


def resets(client: socket.socket) -> None:
    """A check that does not even say goodbye."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def asks_for_tls(client: socket.socket) -> None:
    """HAProxy's `tcp-check` with `send-binary` and `expect`."""
    client.sendall(packet(TLS))
    assert exactly(client, 1) == b"N"


def asks_for_everything(client: socket.socket) -> None:
    """libpq's order where Kerberos is set up: first GSSAPI, then TLS, and then it went away."""
    for code in (GSS, TLS):
        client.sendall(packet(code))
        assert exactly(client, 1) == b"N"


def speaks_http(client: socket.socket) -> None:
    """A check of layer 7 at the wrong door."""
    client.sendall(b"GET / HTTP/1.1\r\nhost: db\r\n\r\n")
    kind, body = message(client)
    assert kind == b"E" and b"looks like HTTP" in body


def cancels(client: socket.socket) -> None:
    """Somebody's key, which is nobody's here."""
    client.sendall(packet(CANCEL, b"\0\0\0\1guess"))
    assert client.recv(1) == b""


@pytest.mark.parametrize(
    "probe", [only_connects, resets, asks_for_tls, asks_for_everything, speaks_http, cancels]
)
def test_a_probe_opens_no_session(
    stack: Stack, postgres: Postgres, probe: Callable[[socket.socket], None]
) -> None:
    """Ten of them, and then a client: its session is the connection's only one."""
    name = stack.connection(f"probed-{uuid.uuid4().hex[:8]}", postgres.env())
    port = stack.cli.connect(name).port
    for _ in range(10):
        with dial(port) as client:
            probe(client)
    with connect(port, name) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    [session] = stack.api.get("sessions", connection=name)["items"]
    assert session["client"]["application"] == name


def test_encryption_is_declined_and_the_session_goes_on(stack: Stack, application: str) -> None:
    """GSSENCRequest, SSLRequest, start-up: each once, in libpq's order."""
    with dial(stack.forward("db").port) as client:
        asks_for_everything(client)
        client.sendall(packet(PROTOCOL_3_0, b"user\0x\0application_name\0%b\0\0" % application.encode()))
        assert message(client) == (b"R", b"\0\0\0\0")
    assert stack.api.ended(stack.api.session(application)["id"])["client"]["user"] == "x"


# Which protocol is spoken


def test_protocol_3_2_is_negotiated_down(stack: Stack, application: str) -> None:
    """NegotiateProtocolVersion names 3.0 and what was not understood; the key has the size that 3.0 has."""
    words = b"user\0x\0_pq_.wishes\0many\0application_name\0%b\0\0" % application.encode()
    with dial(stack.forward("db").port) as client:
        client.sendall(packet(PROTOCOL_3_2, words))
        assert message(client) == (b"v", struct.pack(">II", PROTOCOL_3_0, 1) + b"_pq_.wishes\0")
        told = dict([message(client), message(client)])
        while b"Z" not in told:
            told.update([message(client)])
    assert len(told[b"K"]) == 8


def test_libpq_asks_for_3_2(stack: Stack, application: str) -> None:
    """It is content with less, unless it was told not to be."""
    port = stack.forward("db").port

    def ask(**options: str) -> tuple[int, str, str]:
        where = make_conninfo(host="127.0.0.1", port=port, user="x", dbname="y", **options)
        done = run([program("psql"), "-X", "-d", where, "-c", r"\conninfo"], application)
        return done.code, done.out, done.err

    code, out, _ = ask(max_protocol_version="latest")
    assert code == 0 and ["Protocol", "Version", "|", "3.0"] in [line.split() for line in out.splitlines()]
    code, _, err = ask(min_protocol_version="3.2", max_protocol_version="3.2")
    assert code == 2 and "3.0" in err and "3.2" in err


# Which parameters pass


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"replication": "database"}, "replication connections are not served"),
        ({"replication": "true"}, "replication connections are not served"),
        (
            {"options": "-c statement_timeout=1 -c role=postgres"},
            "the start-up parameter `options` is not passed on",
        ),
    ],
)
def test_what_is_refused_says_why(
    stack: Stack, application: str, options: dict[str, str], words: str
) -> None:
    """Before anything is opened: no session, and the client knows what to leave out."""
    where = make_conninfo(host="127.0.0.1", port=stack.forward("db").port, user="x", dbname="y", **options)
    done = run([program("psql"), "-X", "-d", where, "-c", "IDENTIFY_SYSTEM"], application)
    assert done.code == 2 and words in done.err and "HINT:" in done.err, done
    assert stack.api.sessions(application) == []


def test_streaming_replication_is_refused(stack: Stack, application: str, tmp_path: Path) -> None:
    """pg_receivewal is told by name what it cannot have."""
    where = ("-h", "127.0.0.1", "-p", str(stack.forward("db").port), "-U", "x")
    done = run([program("pg_receivewal"), *where, "-D", tmp_path, "--no-loop"], application)
    assert done.code == 1 and "replication connections are not served" in done.err, done


def test_what_shapes_results_reaches_the_server(stack: Stack, application: str) -> None:
    """By start-up parameters, as libpq sends them for its environment."""
    shown = "SHOW timezone; SHOW datestyle; SHOW client_encoding; SHOW application_name"
    environment = {"PGTZ": "Asia/Kathmandu", "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1"}
    done = psql(stack.forward("db").port, application, "-Atc", shown, variables=environment)
    assert done.out.splitlines() == ["Asia/Kathmandu", "German, DMY", "LATIN1", application]


# What comes without being asked for


def test_the_server_ends_an_idle_session(stack: Stack, postgres: Postgres, application: str) -> None:
    """Its last words reach the client and the recording, though no statement runs."""
    with connect(stack.forward("db").port, application) as connection, postgres.direct() as server:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        assert server.execute(end, [application]).fetchone() == (True,)
        session = stack.api.ended(stack.api.session(application)["id"])
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            connection.execute("SELECT 1")
    events = stack.api.replay(session["id"])
    [notice] = [event["text"] for event in events if event["type"] == "notice"]
    assert notice.startswith("57P01: terminating connection")
