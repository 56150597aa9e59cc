"""What all ways are built from."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.measure.figure import MissingWayError
from benchmarks.measure.origin import Origin, last_words
from benchmarks.measure.way import Way
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.waiting import until

HOST = "localhost"
"""The origin's name: every proxy has to resolve it, and its certificate is for it."""

TUNNELS = 10_000
"""As many idle tunnels as are asked for."""

_SECONDS = 15.0


@dataclass(frozen=True)
class Stage:
    """A folder, processes, foreign programs, and the origin."""

    folder: Path
    processes: Processes
    peers: Peers
    origin: Origin

    def room(self, name: str) -> Path:
        """A new folder."""
        room = self.folder / name
        room.mkdir(mode=0o700)
        return room


@dataclass(frozen=True)
class Forward(Way):
    """A way to the origin: through the proxy at a port, or with port None without any."""

    port: int | None = None
    authorization: str | None = None
    """The value of `Proxy-Authorization`."""
    closes: bool = False
    """Whether it ends each connection after one request, without a word."""
    only_tls: bool = False
    """Whether a tunnel that does not begin with TLS is none."""

    @property
    def address(self) -> str:
        """The proxy's."""
        return f"127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What a caller sends to the proxy."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}

    def curl(self) -> list[str]:
        """curl's options: always a tunnel, if there is a proxy."""
        if self.port is None:
            return ["--noproxy", "*"]
        return ["-x", f"http://{self.address}", "-p"]

    def check(self, origin: Origin) -> None:
        """Returns once an answer comes through. Raises MissingWayError if none ever does."""
        told = ""

        def answers() -> bool:
            nonlocal told
            for process in self.processes:
                if not process.running:
                    raise MissingWayError(f"{process.name} ended early: {last_words(process)}")
            proxy = httpx.Proxy(f"http://{self.address}", headers=self.headers) if self.port else None
            try:
                with httpx.Client(proxy=proxy, trust_env=False) as client:
                    found = client.get(f"http://{HOST}:{origin.port}/1k")
            except httpx.HTTPError as error:
                told = str(error)
                return False
            told = f"{found.status_code} {found.text[:200]}"
            return found.status_code == 200 and len(found.content) == 1024

        try:
            until(f"{self.name} answers", answers, _SECONDS)
        except AssertionError as error:
            raise MissingWayError(f"{error}: {told}") from None


def client_hello() -> bytes:
    """The first flight of a TLS client that asks for the origin by its name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=HOST)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake cannot end before the server has said anything")


def room_for(tunnels: int) -> int:
    """As many tunnels as a proxy may have open here, which needs two file descriptors for each of them."""
    hard = os.sysconf("SC_OPEN_MAX")
    return min(tunnels, (hard - 500) // 2)
