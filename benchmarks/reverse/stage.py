"""What all ways are built from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.measure.figure import MissingWayError
from benchmarks.measure.origin import Origin, last_words
from benchmarks.measure.way import Way
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued, Pki
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

LINKS = 4
"""Links between the two ends of every way that has them."""

APPLICATION = "benchmarks.reverse.application:app"


_SECONDS = 15.0


@dataclass(frozen=True)
class Certificates:
    """Who is who, all of one authority. Between the two ends there is always TLS, both sides named."""

    edge: Issued
    """Of the listener that is dialled."""
    worker: Issued
    """Of the end that dials."""

    @staticmethod
    def issued(pki: Pki) -> Certificates:
        """By `penstock pki`."""
        return Certificates(pki.server("edge"), pki.issue("worker"))


@dataclass(frozen=True)
class Stage:
    """A folder, processes, foreign programs, certificates, and the origin."""

    folder: Path
    processes: Processes
    peers: Peers
    certificates: Certificates
    origin: Origin

    def room(self, name: str) -> Path:
        """A new folder."""
        room = self.folder / name
        room.mkdir(mode=0o700)
        return room


@dataclass(frozen=True)
class Published(Way):
    """A way to the published application."""

    port: int
    """Its public side, in clear: HTTP/1.1, and HTTP/2 with prior knowledge unless `http2` says otherwise."""
    http2: bool = True

    def url(self, name: str) -> str:
        """Of a file at the origin."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def check(self) -> None:
        """Returns once it answers as it should. Raises MissingWayError if it never does."""

        def answers() -> bool:
            for process in self.processes:
                if not process.running:
                    raise MissingWayError(f"{process.name} ended early: {last_words(process)}")
            try:
                return len(httpx.get(self.url("1k"), trust_env=False).raise_for_status().content) == 1024
            except httpx.HTTPError:
                return False

        try:
            until(f"{self.url('1k')} answers", answers, _SECONDS)
        except AssertionError as error:
            raise MissingWayError(str(error)) from None


@dataclass(frozen=True)
class Edge:
    """An end that takes workers, and its processes."""

    public: int
    tunnels: int
    process: Process
