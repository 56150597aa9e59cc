"""Databases and clients that break PostgreSQL's protocol: refused in words, and nobody else is touched."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.e2e.stack.clients import psql
from tests.e2e.stack.evil_database import WELCOME, authentication, evil_database, message
from tests.e2e.stack.http2 import dial
from tests.e2e.stack.limits import MIB, bounded
from tests.e2e.stack.marked import QUERY
from tests.e2e.stack.stack import Stack

pytestmark = pytest.mark.usefixtures("nothing_leaks")

SSL_REQUEST = struct.pack(">ii", 8, 80877103)
SASL = authentication(10, b"SCRAM-SHA-256\0\0")
WORDS = b"user\0somebody\0\0"
START = struct.pack(">ii", 8 + len(WORDS), 196608) + WORDS


@dataclass(frozen=True)
class Evil:
    """What a database says, and what is said of it."""

    says: Sequence[bytes]
    words: str
    mode: str = "disable"


DATABASES = {
    "a negative length": Evil([message(b"R", b"", -1)], "length is out of bounds"),
    "a length of three": Evil([message(b"R", b"", 3)], "length is out of bounds"),
    "a huge length": Evil([message(b"R", bytes(1000), (1 << 31) - 1)], "length is out of bounds"),
    "endless parameters": Evil(
        [authentication(0) + message(b"S", b"a\0b\0") * 300], "more than 256 parameters"
    ),
    "endless rounds of SCRAM": Evil([SASL, authentication(11, b"r=x,s=c2FsdA==,i=2147483647")], "SCRAM"),
    "no proof of its own": Evil([SASL, WELCOME], "without proving"),
    "an error that says nothing": Evil([message(b"E", b"\0")], "no message"),
    "words behind its yes to TLS": Evil([b"S" + WELCOME], "TLS", "require"),
    "words of another protocol": Evil([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "not answer as PostgreSQL does"),
    "an answer of a negative length": Evil([WELCOME, message(b"D", b"", -1)], "impossible length"),
    "a row that never ends": Evil([WELCOME, message(b"D", bytes(MIB), (1 << 31) - 1)], "lost"),
}


@pytest.mark.parametrize("name", DATABASES)
def test_an_evil_database(stack: Stack, name: str) -> None:
    """The session fails with a reason, and the gateway is as it was."""
    evil = DATABASES[name]
    connection = f"evil-{name.replace(' ', '-')}"
    with evil_database(evil.says) as port, bounded(stack.gateway.process, 64 * MIB):
        env = {"HOST": "127.0.0.1", "PORT": str(port), "USER": "u", "PASS": "p", "DB": "d"}
        stack.connection(connection, {**env, "SSLMODE": evil.mode})
        problem = stack.cli.run("exec", connection, "-i", QUERY, "-o", "json").problem
        assert problem["hint"], problem
        [session, *_] = stack.api.get("sessions", connection=connection)["items"]
        ended = stack.api.ended(session["id"])
        assert ended["status"] == "failed" and evil.words in ended["reason"], ended
    assert psql(stack.forward("db").port, "others", "-Atc", "SELECT 5").out == "5\n"


def test_a_notice_that_nobody_asked_for(stack: Stack) -> None:
    """A server may speak while a session is idle; the client hears it at once, and the session goes on."""
    words = b"SNOTICE\0VNOTICE\0C00000\0Mback at noon\0\0"
    empty = message(b"I") + message(b"Z", b"I")
    with evil_database([WELCOME + message(b"N", words), empty]) as port:
        env = {"HOST": "127.0.0.1", "PORT": str(port), "USER": "u", "PASS": "p", "DB": "d"}
        stack.connection("talkative", {**env, "SSLMODE": "disable"})
        with dial(stack.forward("talkative").port) as client:
            client.sendall(START)
            heard_until(client, message(b"N", words))
            client.sendall(message(b"Q", b"\0"))
            heard_until(client, empty)


def heard_until(client: socket.socket, last: bytes) -> None:
    """Returns once what comes ends so."""
    answer = b""
    while not answer.endswith(last):
        more = client.recv(65536)
        assert more, answer
        answer += more


def heard(client: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    answer = b""
    while data := client.recv(65536):
        answer += data
    return answer


def test_words_behind_a_request_for_tls(stack: Stack) -> None:
    """CVE-2021-23214: what was sent in clear must not count for what was sent under TLS."""
    before = stack.api.newest()
    with dial(stack.forward("db").port) as client:
        client.sendall(SSL_REQUEST + START)
        answer = heard(client)
    assert answer[:1] == b"E" and b"unencrypted data behind SSLRequest" in answer, answer
    assert stack.api.newest() == before


@pytest.mark.parametrize("length", [-1, 3, -(1 << 31)])
@pytest.mark.parametrize("tag", [b"Q", b"P", b"B", b"d", b"p"])
def test_impossible_lengths_of_a_client(stack: Stack, tag: bytes, length: int) -> None:
    """Once it is logged in: nothing of it reaches the server, and the client is told what was wrong."""
    with dial(stack.forward("db").port) as client:
        client.sendall(START)
        heard_until(client, message(b"Z", b"I"))
        client.sendall(message(tag, b"SELECT 1\0", length))
        answer = heard(client)
    assert answer[:1] == b"E" and b"impossible length" in answer and b"SFATAL\0" in answer, answer
