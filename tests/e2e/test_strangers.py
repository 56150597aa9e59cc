"""Strangers at the ports: garbage, half-open connections, silence; others go on meanwhile."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack

import pytest

from tests.e2e.stack.cli import Forward
from tests.e2e.stack.clients import psql
from tests.e2e.stack.marked import QUERY
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.strangers import is_closed, silent_tls, stranger
from tests.e2e.stack.waiting import until

pytestmark = pytest.mark.usefixtures("nothing_leaks")

GARBAGE = {
    "nothing": b"",
    "noise": bytes(range(256)) * 64,
    "half a TLS record": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP without an end": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "HTTP/2 without an end": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 with garbage behind": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096,
    "a long header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 200_000,
    "a huge PostgreSQL length": struct.pack(">II", 0x7FFFFFFF, 196608) + b"user\0",
    "a negative PostgreSQL length": struct.pack(">II", 0xFFFFFFFF, 196608),
    "half a PostgreSQL start": struct.pack(">II", 100, 196608) + b"user\0",
}


def test_garbage_and_half_open_connections_on_each_port(stack: Stack, application: str) -> None:
    """Others go on meanwhile, nothing is opened for strangers, and none is kept for long."""
    ports = (stack.gateway.http_port, stack.gateway.grpc_port, stack.forward("db").port)
    before = len(stack.api.get("sessions", limit=200)["items"])
    with ExitStack() as exits:
        strangers = {
            (port, name): exits.enter_context(stranger(port, words))
            for port in ports
            for name, words in GARBAGE.items()
        }
        for port in ports[:2]:
            strangers[port, "TLS and then nothing"] = exits.enter_context(silent_tls(port))
        assert stack.cli.run("exec", "db", "-i", QUERY).code == 0
        assert psql(ports[2], application, "-Atc", "SELECT 5").out == "5\n"
        until(
            "all are turned away",
            lambda: [name for name, client in strangers.items() if not is_closed(client)] == [],
            40,
        )
    assert psql(ports[2], application, "-Atc", "SELECT 6").out == "6\n"
    assert len(stack.api.get("sessions", limit=200)["items"]) == min(before + 3, 200)


def test_garbage_is_told_what_is_wrong(stack: Stack) -> None:
    """A client of protocol 2, or one that names nobody, gets an error of PostgreSQL's form with a hint."""
    forward: Forward = stack.forward("db")
    for words in (struct.pack(">II", 9, 2 << 16) + b"\0", struct.pack(">II", 9, 196608) + b"\0"):
        with socket.create_connection(("127.0.0.1", forward.port), timeout=20) as client:
            client.sendall(words)
            answer = b""
            while data := client.recv(4096):
                answer += data
        assert answer[:1] == b"E" and b"SFATAL\0" in answer and b"\0H" in answer, answer
