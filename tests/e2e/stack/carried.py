"""Carrier `grpc` as Google's own client speaks it: a socket whose bytes are the messages of one call."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

CONNECT = "/protobuf.Transport/Connect"
Metadata = tuple[tuple[str, str], ...]


def user(token: str) -> Metadata:
    """What a client shows."""
    return (("authorization", f"Bearer {token}"),)


def agent(name: str, secret: str) -> Metadata:
    """What an agent shows."""
    return (*user(secret), ("penstock-agent", name))


def refusal(port: int, metadata: Metadata) -> grpc.StatusCode:
    """Why a call is refused; OK if it is not, in which case it has become a link."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream(CONNECT)(iter(()), metadata=metadata, timeout=20)
        try:
            call.initial_metadata()
            next(call, b"")
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@contextmanager
def carried(port: int, metadata: Metadata) -> Iterator[socket.socket]:
    """A link's bytes, over plaintext on this machine."""
    near, far = socket.socketpair()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, near, far:
        call = channel.stream_stream(CONNECT)(_said(far), metadata=metadata)
        hearing = threading.Thread(target=_hear, args=(call, far), daemon=True)
        hearing.start()
        try:
            yield near
        finally:
            call.cancel()
            # Both threads may be waiting for it.
            with contextlib.suppress(OSError):
                far.shutdown(socket.SHUT_RDWR)
            hearing.join(10)


def _said(far: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := far.recv(65536):
            yield _packet(data)


def _hear(call: Iterator[bytes], far: socket.socket) -> None:
    with contextlib.suppress(grpc.RpcError, OSError):
        for packet in call:
            far.sendall(_payload(packet))
    with contextlib.suppress(OSError):
        far.shutdown(socket.SHUT_RDWR)


def _packet(payload: bytes) -> bytes:
    """`Packet` of transport.proto: one field, number 1, of bytes."""
    length, digits = len(payload), bytearray(b"\x0a")
    while length > 0x7F:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*digits, length]) + payload


def _payload(packet: bytes) -> bytes:
    last = next((place for place, digit in enumerate(packet[1:], 1) if digit < 0x80), 0)
    return packet[last + 1 :]
